package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCmd struct {
	Shell string `arg:"" help:"bash, zsh or fish." enum:"bash,zsh,fish"`
}

// Run prints the script for a shell, made of the commands and flags that this program has.
func (c completionCmd) Run(k *kong.Context, io stdio) error {
	places := placesOf(k.Model.Node)
	var script string
	switch c.Shell {
	case "bash":
		script = bashScript(places)
	case "zsh":
		script = zshScript(places)
	case "fish":
		script = fishScript(places)
	}
	_, err := fmt.Fprint(io.out, script)
	return err
}

// offered is something that can be typed, and what it is.
type offered struct{ word, help string }

// spot is where somebody is on the command line: behind some commands, or behind one of their flags.
type spot struct {
	at     string // the commands, such as "user list"
	words  []offered
	values map[string][]string // of flags that have fixed ones; nil for those that have any
}

// placesOf are the places of a grammar, outer ones first.
func placesOf(node *kong.Node) []spot {
	here := spot{at: pathOf(node), values: map[string][]string{}}
	for _, child := range node.Children {
		if !child.Hidden {
			here.words = append(here.words, offered{child.Name, firstSentence(child.Help)})
		}
	}
	for _, arg := range node.Positional {
		if arg.Enum != "" {
			for _, value := range arg.EnumSlice() {
				here.words = append(here.words, offered{value, firstSentence(arg.Help)})
			}
		}
	}
	for _, group := range node.AllFlags(true) {
		for _, flag := range group {
			here.words = append(here.words, offered{"--" + flag.Name, firstSentence(flag.Help)})
			if !flag.IsBool() {
				here.values["--"+flag.Name] = slices.DeleteFunc(flag.EnumSlice(), func(v string) bool { return v == "" })
			}
		}
	}
	places := []spot{here}
	for _, child := range node.Children {
		if !child.Hidden {
			places = append(places, placesOf(child)...)
		}
	}
	return places
}

// pathOf is the commands that lead to a node.
func pathOf(node *kong.Node) string {
	if node.Parent == nil {
		return ""
	}
	return strings.TrimSpace(pathOf(node.Parent) + " " + node.Name)
}

func firstSentence(help string) string {
	help, _, _ = strings.Cut(help, ". ")
	return strings.TrimSuffix(help, ".")
}

// quote is text as one word of a shell.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// cases are the arms of a shell's case: what is typed behind which flag, and what at which place.
func cases(places []spot, arm func(pattern string, words []string) string) (flags, words string) {
	var f, w strings.Builder
	for _, p := range places {
		var names []string
		for _, o := range p.words {
			names = append(names, o.word)
		}
		w.WriteString(arm(quote(p.at), names))
		var files []string
		for _, o := range p.words {
			values, takes := p.values[o.word]
			switch {
			case takes && len(values) > 0:
				f.WriteString(arm(quote(p.at+" "+o.word), values))
			case takes:
				files = append(files, quote(p.at+" "+o.word))
			}
		}
		if files != nil {
			f.WriteString(arm(strings.Join(files, "|"), nil))
		}
	}
	return f.String(), w.String()
}

// known are the places that commands lead to, as a pattern of a shell's case.
func known(places []spot) string {
	var paths []string
	for _, p := range places {
		if p.at != "" {
			paths = append(paths, quote(p.at))
		}
	}
	return strings.Join(paths, "|")
}

func bashScript(places []spot) string {
	flags, words := cases(places, func(pattern string, words []string) string {
		return "    " + pattern + ") words=" + quote(strings.Join(words, " ")) + " ;;\n"
	})
	return `# Completion of roster for bash: source <(roster completion bash)
_roster() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} at= words= i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "${at:+$at }${COMP_WORDS[i]}" in
    ` + known(places) + `) at="${at:+$at }${COMP_WORDS[i]}" ;;
    esac
  done
  case "$at $prev" in
` + flags + `    *)
    case "$at" in
` + words + `    esac
    ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _roster roster
`
}

func zshScript(places []spot) string {
	flags, words := cases(places, func(pattern string, words []string) string {
		if words == nil {
			return "    " + pattern + ") _files; return ;;\n"
		}
		var quoted []string
		for _, w := range words {
			quoted = append(quoted, quote(w))
		}
		return "    " + pattern + ") offers=(" + strings.Join(quoted, " ") + ") ;;\n"
	})
	return `#compdef roster
# Completion of roster for zsh: source <(roster completion zsh)
_roster() {
  local at= one=
  local -a offers
  local -i i
  for ((i = 2; i < CURRENT; i++)); do
    one=${words[i]}
    case "${at:+$at }$one" in
    ` + known(places) + `) at="${at:+$at }$one" ;;
    esac
  done
  case "$at ${words[CURRENT-1]}" in
` + flags + `    *)
    case "$at" in
` + words + `    esac
    ;;
  esac
  compadd -a offers || _files
}
compdef _roster roster
`
}

func fishScript(places []spot) string {
	var arms strings.Builder
	for _, p := range places {
		for _, o := range p.words {
			if values := p.values[o.word]; len(values) > 0 {
				fmt.Fprintf(&arms, "    case %s\n      printf '%%s\\n' %s\n      return\n", fishQuote(p.at+" "+o.word), fishWords(values))
			} else if _, takes := p.values[o.word]; takes {
				fmt.Fprintf(&arms, "    case %s\n      __fish_complete_path (commandline -ct)\n      return\n", fishQuote(p.at+" "+o.word))
			}
		}
	}
	var lists strings.Builder
	for _, p := range places {
		var lines []string
		for _, o := range p.words {
			lines = append(lines, o.word+"\t"+o.help)
		}
		fmt.Fprintf(&lists, "    case %s\n      printf '%%s\\n' %s\n", fishQuote(p.at), fishWords(lines))
	}
	var paths []string
	for _, p := range places {
		if p.at != "" {
			paths = append(paths, p.at)
		}
	}
	return `# Completion of roster for fish: roster completion fish | source
function __roster_offers
  set -l at
  set -l typed (commandline -opc)
  for one in $typed[2..-1]
    switch (string join -- ' ' $at $one)
    case ` + fishWords(paths) + `
      set at $at $one
    end
  end
  set -l here (string join -- ' ' $at)
  switch "$here $typed[-1]"
` + arms.String() + `  end
  switch "$here"
` + lists.String() + `  end
end
complete -c roster -f -a '(__roster_offers)'
`
}

func fishQuote(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(text) + "'"
}

func fishWords(words []string) string {
	var quoted []string
	for _, w := range words {
		quoted = append(quoted, fishQuote(w))
	}
	return strings.Join(quoted, " ")
}
