// Command prose checks how this module is written: the width of comments and Markdown, and words
// that a reader has to read twice. CONTRIBUTING.md has the rules.
//
//	go run ./internal/prose [directory]...
//
// It prints one line for each finding, and exits with 1 if there is any. Without a directory it
// checks the whole module.
package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	roots := os.Args[1:]
	if len(roots) == 0 {
		roots = []string{"."}
	}
	total := 0
	for _, root := range roots {
		n, err := check(root, os.DirFS(root), os.Stdout)
		if err != nil {
			fmt.Fprintln(os.Stderr, "prose:", err)
			os.Exit(2)
		}
		total += n
	}
	if total > 0 {
		fmt.Fprintf(os.Stderr, "prose: %d findings; CONTRIBUTING.md has the rules\n", total)
		os.Exit(1)
	}
}

// readers has a function for each kind of file, which returns the prose in it.
var readers = map[string]func(name, text string) ([]line, error){
	".go":      goLines,
	".md":      markdownLines,
	".graphql": hashLines,
	".sql":     dashLines,
	".sh":      hashLines,
	".mjs":     slashLines,
}

// skipped are directories whose files come from elsewhere or are data, and this one, which names the
// phrases that it looks for.
var skipped = []string{".git", "node_modules", "testdata", "prose"}

// check writes the findings in all files of a tree and returns how many there are. Root is the
// path of the tree.
func check(root string, tree fs.FS, out io.Writer) (n int, err error) {
	err = fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains(skipped, d.Name()):
			return fs.SkipDir
		case d.IsDir() || readers[filepath.Ext(name)] == nil:
			return nil
		}
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		lines, err := readers[filepath.Ext(name)](name, strings.ReplaceAll(string(text), "\r\n", "\n"))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for _, l := range lines {
			for _, finding := range l.findings() {
				n++
				fmt.Fprintf(out, "%s:%d: %s\n", filepath.Join(root, name), l.number, finding)
			}
		}
		return nil
	})
	return n, err
}
