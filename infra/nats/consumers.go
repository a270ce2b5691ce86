package nats

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	consumersBelow = "obs" // of a stream's directory
	placeName      = "o.dat"
	placeMagic     = 22 // what a consumer's place begins with
)

// mendConsumers takes away what a power cut has left of consumers without its contents: the server replaces their
// places and settings without a sync, many times a second, and refuses a consumer whose place it cannot read for ever.
// Without a place a consumer begins anew, and is given again what it had: whoever reads the feed has to expect that.
func mendConsumers(dir string) error {
	return eachStream(dir, func(stream string) error {
		below := filepath.Join(dir, filepath.FromSlash(streamsBelow), stream, consumersBelow)
		consumers, err := os.ReadDir(below)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		for _, c := range consumers {
			if err == nil && c.IsDir() {
				err = mendConsumer(filepath.Join(below, c.Name()))
			}
		}
		return err
	})
}

func mendConsumer(consumer string) error {
	settings, err := os.ReadFile(filepath.Join(consumer, "meta.inf"))
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case err != nil || !json.Valid(settings):
		return os.RemoveAll(consumer) // whoever needs it makes it anew
	}
	name := filepath.Join(consumer, placeName)
	place, err := os.ReadFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case len(place) > 0 && place[0] == placeMagic:
		return nil
	}
	return os.Remove(name)
}
