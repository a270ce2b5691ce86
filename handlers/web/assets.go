package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed assets/*.css assets/*.js
var assetFiles embed.FS

// asset is a file that pages load, under an address that changes with it.
type asset struct {
	content []byte
	kind    string
	version string
}

// assets are all of them by name. Everything is ours and in the program: nothing is loaded from elsewhere.
type assets map[string]asset

// readAssets reads the files, and makes those that settings decide: the colours of the portal and its logo.
func readAssets(c Config) (assets, error) {
	all := assets{}
	put := func(name, kind string, content []byte) {
		sum := sha256.Sum256(content)
		all[name] = asset{content, kind, hex.EncodeToString(sum[:6])}
	}
	files, err := fs.Glob(assetFiles, "assets/*")
	if err != nil {
		return nil, err
	}
	var sheet []byte
	for _, file := range files {
		content, err := assetFiles.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if name := path.Base(file); strings.HasSuffix(name, ".js") {
			put(name, "text/javascript; charset=utf-8", content)
		} else { // one sheet, in the order of the files' names
			sheet = append(sheet, content...)
		}
	}
	put("roster.css", "text/css; charset=utf-8", sheet)
	put("theme.css", "text/css; charset=utf-8", c.theme())
	if c.Logo != nil {
		kind := http.DetectContentType(c.Logo)
		if bytes.Contains(c.Logo[:min(len(c.Logo), 512)], []byte("<svg")) {
			kind = "image/svg+xml"
		}
		if !strings.HasPrefix(kind, "image/") {
			return nil, fmt.Errorf("the logo is no picture but %s", kind)
		}
		put("logo", kind, c.Logo)
	}
	return all, nil
}

// theme is the accent colour of the portal, where one was chosen: as it is where it fills, with words upon it in black or
// white, whichever can be read better; and where it is words itself, so much darker or lighter that they can be read.
func (c Config) theme() []byte {
	if c.Accent == "" {
		return []byte("/* the portal has chosen no colour of its own */\n")
	}
	ink := "#fff"
	if luminance(c.Accent) > 0.179 { // where black and white are equally far (WCAG 2.2, relative luminance)
		ink = "#000"
	}
	return fmt.Appendf(nil, ":root{--brand:%s;--brand-ink:%s;--brand-text:%s;--brand-dark:%s}\n", c.Accent, ink,
		readable(c.Accent, "#eef3fb", 0), readable(c.Accent, "#1d2b40", 255))
}

// href is the address of an asset, so that it may be kept for good.
func (a assets) href(name string) string { return "/assets/" + name + "?v=" + a[name].version }

// asset serves one.
func (s *site) asset(w http.ResponseWriter, r *http.Request) error {
	one, ok := s.assets[r.PathValue("name")]
	if !ok {
		return errNoPage
	}
	if r.URL.Query().Get("v") == one.version {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	w.Header().Set("Content-Type", one.kind)
	w.Header().Set("ETag", `"`+one.version+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(one.content))
	return nil
}
