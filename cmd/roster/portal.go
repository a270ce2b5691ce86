package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"roster/domain"
	"roster/handlers"
	"roster/handlers/api"
)

// startPortal makes the profile that --portal names that of the portal. It is a fact: without the flag the portal keeps
// the one it has.
func (p *program) startPortal(ctx context.Context) error {
	if p.options.Portal == "" {
		return nil
	}
	d, err := readPortal(p.options.Portal)
	if err != nil {
		return fmt.Errorf("--portal: %w", err)
	}
	_, err = p.app.Do(ctx, handlers.Call{Actor: handlers.System("serve")}, domain.DefineProfile{Definition: d})
	if err != nil {
		return fmt.Errorf("--portal %s: %w", p.options.Portal, err)
	}
	return nil
}

// readPortal reads the profile of a name, or of a file where there is one of that name.
func readPortal(name string) (domain.Definition, error) {
	text, err := os.ReadFile(name)
	isPath := strings.ContainsRune(name, filepath.Separator) || strings.HasSuffix(name, ".json")
	switch {
	case err == nil:
		return api.ReadProfile(name, text)
	case isPath && errors.Is(err, fs.ErrNotExist):
		return domain.Definition{}, fmt.Errorf("%s does not exist", name)
	case isPath:
		return domain.Definition{}, err
	}
	return api.ReadProfile(name, nil)
}
