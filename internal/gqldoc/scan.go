package gqldoc

import (
	"strings"
	"unicode/utf8"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/lexer"

	"github.com/buddychat/buddychat/internal/surrogate"
)

// text is a string literal of the document.
type text struct {
	at Location
	// block is the value of a block string, or nil.
	block *string
}

// scan checks the limits that need no parsing, in one pass over the tokens without recursion. It
// also refuses text that the parser would silently alter. It returns what the parser gets wrong:
// the locations of strings and the values of block strings, by start position. aliases is the
// number of aliases in the document.
func scan(document string, limits Limits) (texts map[int]text, aliases int, err error) {
	if !utf8.ValidString(document) {
		return nil, 0, syntaxError(Location{}, "The document is not valid UTF-8.")
	}
	c := counts{bytes: len(document), aliasesOf: map[string]int{}, limits: limits}
	texts = map[int]text{}
	lex := lexer.New(&ast.Source{Input: document})
	at := offset{text: document, line: 1}
	for {
		token, err := lex.ReadToken()
		if err != nil {
			return nil, 0, fromParser(err, ErrSyntax)
		}
		switch token.Kind {
		case lexer.EOF:
			return texts, c.aliases, c.check()
		case lexer.Comment:
			continue
		case lexer.Int, lexer.Float:
			if end := at.advance(token.Pos.End); end < len(document) && continuesNumber(document[end]) {
				return nil, 0, syntaxError(at.location(), "Invalid number, expected digit.")
			}
		case lexer.String, lexer.BlockString:
			begin := at.advance(token.Pos.Start)
			found := text{at: at.location()}
			literal := document[begin:at.advance(token.Pos.End)]
			c.bytes -= len(literal)
			if token.Kind == lexer.BlockString {
				// The literal ends at the first three quotes, even if more quotes follow.
				if strings.HasPrefix(document[at.bytes:], `"`) {
					return nil, 0, syntaxError(at.location(), "Unexpected quote after a block string.")
				}
				value := blockValue(literal[3 : len(literal)-3])
				found.block = &value
			} else if surrogate.Lone(literal) {
				return nil, 0, syntaxError(found.at, "A string has half of a surrogate pair.")
			}
			texts[token.Pos.Start] = found
		}
		c.add(token)
	}
}

// counts has the counts of a document's tokens.
type counts struct {
	limits Limits

	bytes, tokens, directives int
	aliases                   int
	aliasesOf                 map[string]int

	// Inside parentheses, a colon belongs to an argument, and brackets and braces nest values.
	parens, nesting, deepest int
	// The kinds of the two previous tokens.
	before, beforeThat lexer.Type
}

func (c *counts) add(token lexer.Token) {
	c.tokens++
	switch token.Kind {
	case lexer.At:
		c.directives++
	case lexer.ParenL:
		c.parens++
		c.nesting = 0
	case lexer.ParenR:
		c.parens--
	case lexer.BracketL, lexer.BraceL:
		if c.parens > 0 {
			c.nesting++
			c.deepest = max(c.deepest, c.nesting)
		}
	case lexer.BracketR, lexer.BraceR:
		if c.parens > 0 {
			c.nesting--
		}
	case lexer.Name:
		if c.parens == 0 && c.before == lexer.Colon && c.beforeThat == lexer.Name {
			c.aliases++
			c.aliasesOf[token.Value]++
		}
	}
	c.beforeThat, c.before = c.before, token.Kind
}

func (c *counts) check() error {
	if err := exceeds("bytes besides its string literals", c.bytes, c.limits.Bytes); err != nil {
		return err
	}
	if err := exceeds("tokens", c.tokens, c.limits.Tokens); err != nil {
		return err
	}
	if err := exceeds("directives", c.directives, c.limits.Directives); err != nil {
		return err
	}
	if err := exceeds("aliases", c.aliases, c.limits.Aliases); err != nil {
		return err
	}
	most := 0
	for _, n := range c.aliasesOf {
		most = max(most, n)
	}
	if err := exceeds("aliases of one field", most, c.limits.AliasesOfField); err != nil {
		return err
	}
	return exceeds("levels of depth in a value", c.deepest, c.limits.Depth)
}

// offset converts the lexer's positions, which count characters, into byte offsets and locations.
// Positions must be passed in ascending order.
type offset struct {
	text         string
	bytes, runes int
	line         int
	lineStart    int // in characters
}

func (o *offset) advance(runes int) (bytes int) {
	for o.runes < runes && o.bytes < len(o.text) {
		r, size := utf8.DecodeRuneInString(o.text[o.bytes:])
		o.bytes += size
		o.runes++
		if r == '\n' {
			o.line++
			o.lineStart = o.runes
		}
	}
	return o.bytes
}

func (o *offset) location() Location {
	return Location{Line: o.line, Column: o.runes - o.lineStart + 1}
}

// continuesNumber reports whether b must not follow a number: a name or a fraction may not begin
// there.
func continuesNumber(b byte) bool {
	return b == '.' || b == '_' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}
