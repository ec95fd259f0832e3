package main

import (
	"go/scanner"
	"go/token"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// A line is one line of prose.
type line struct {
	number int
	text   string
	// columns is the width of the whole line in the file; 0 where the width does not count.
	columns int
}

// tabWidth is how many columns a tab takes.
const tabWidth = 4

// width returns the columns of a line, with tabs expanded.
func width(s string) (n int) {
	for _, r := range s {
		if r == '\t' {
			n += tabWidth - n%tabWidth
			continue
		}
		n++
	}
	return n
}

// goLines returns the comments of a Go file, the texts of its string literals (not in tests, whose
// strings are mostly data), and the names of its tests.
func goLines(name, text string) (lines []line, err error) {
	source := strings.Split(text, "\n")
	test := strings.HasSuffix(name, "_test.go")
	files := token.NewFileSet()
	file := files.AddFile(name, -1, len(text))
	var s scanner.Scanner
	s.Init(file, []byte(text), nil, scanner.ScanComments)
	for {
		pos, tok, literal := s.Scan()
		number := file.Line(pos)
		switch {
		case tok == token.EOF:
			return lines, nil
		case tok == token.COMMENT:
			for i, part := range strings.Split(literal, "\n") {
				lines = append(lines, commentLine(number+i, part, source[number+i-1]))
			}
		case tok == token.STRING && !test:
			if value, err := strconv.Unquote(literal); err == nil {
				lines = append(lines, line{number: number, text: value})
			}
		case tok == token.IDENT && test && testName.MatchString(literal):
			lines = append(lines, line{number: number, text: spaced(literal)})
		}
	}
}

var testName = regexp.MustCompile(`^(Test|Fuzz|Benchmark|Example)\p{Lu}`)

// directive is a comment for a tool, which cannot be wrapped.
var directive = regexp.MustCompile(`^//(go:|nolint|lint:|export )|//nolint`)

func commentLine(number int, comment, source string) line {
	l := line{number: number, text: comment, columns: width(source)}
	if directive.MatchString(comment) || strings.Contains(comment, "://") {
		l.columns = 0
	}
	return l
}

// spaced returns the words of a name in camel case.
func spaced(name string) string {
	var b strings.Builder
	for i, r := range name {
		if i > 0 && unicode.IsUpper(r) {
			b.WriteByte(' ')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// markdownLines returns the lines of a Markdown file that are no code. Tables and lines with an
// address in them may be wider than others.
func markdownLines(_, text string) (lines []line, _ error) {
	fenced := false
	for i, s := range strings.Split(text, "\n") {
		switch {
		case strings.HasPrefix(strings.TrimSpace(s), "```"):
			fenced = !fenced
			continue
		case fenced, strings.HasPrefix(s, "    "):
			continue
		}
		l := line{number: i + 1, text: inlineCode.ReplaceAllString(s, "code"), columns: width(s)}
		if strings.HasPrefix(s, "|") || strings.Contains(s, "://") {
			l.columns = 0
		}
		lines = append(lines, l)
	}
	return lines, nil
}

var inlineCode = regexp.MustCompile("`[^`]*`")

// hashLines returns the comments that begin with #, and the descriptions of a GraphQL schema.
func hashLines(_, text string) ([]line, error) { return commentsAfter(text, "#", `"`), nil }

func dashLines(_, text string) ([]line, error) { return commentsAfter(text, "--"), nil }

func slashLines(_, text string) ([]line, error) { return commentsAfter(text, "//"), nil }

func commentsAfter(text string, marks ...string) (lines []line) {
	block := false
	for i, s := range strings.Split(text, "\n") {
		trimmed := strings.TrimSpace(s)
		starts := false
		for _, m := range marks {
			starts = starts || strings.HasPrefix(trimmed, m)
		}
		if block || starts {
			lines = append(lines, line{number: i + 1, text: trimmed, columns: width(s)})
		}
		if strings.Count(trimmed, `"""`) == 1 {
			block = !block
		}
	}
	return lines
}
