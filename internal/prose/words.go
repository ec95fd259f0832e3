package main

import (
	"fmt"
	"regexp"
)

// maxColumns is how wide a line of prose may be.
const maxColumns = 100

// A rule is a phrase that is not used, with what to write in its place.
type rule struct {
	phrase, allowed *regexp.Regexp // what matches allowed, around the phrase, is fine
	instead         string
}

func phrase(pattern, instead string) rule {
	return rule{phrase: regexp.MustCompile(`(?i)\b(` + pattern + `)\b`), instead: instead}
}

// rules are the phrases that made readers stumble.
var rules = []rule{
	phrase(`who(so)?ever|whomever`, "name who it is: the caller, the recipient"),
	phrase(`somebody|nobody`, "name who it is, or write \"no user\", \"no one\""),
	phrase(`those who|those of whom|he who`, "name who they are: the members, the callers"),
	phrase(`of the host's|the host's own`, "write \"the host's\" or \"of the host\""),
	phrase(`(is|are) to be`, "write \"must be\", or who does it"),
	phrase(`that there (is|are)`, "write what exists"),
	phrase(`where there (is|are) none`, "write \"if there is none\""),
	phrase(`what is there`, "name what exists"),
	phrase(`in the place of`, "write \"instead of\""),
	phrase(`besides?, `, "write \"also\""),
	{
		phrase: regexp.MustCompile(`(?i)\bbehind\b`),
		allowed: regexp.MustCompile(`(?i)\b(lag|lags|lagged|lagging|fall|falls|fell|fallen|falling|run|runs|far|\d+\S*) behind\b|` +
			`\bbehind (a|an|the|its|your|one) ((reverse|HTTP|TLS) )*(proxy|proxies|nginx|pgbouncer|pooler|middleware|load balancer|login)\b`),
		instead: "write \"after\" for order; behind is for a consumer that lags",
	},
}

// findings says what is wrong with a line.
func (l line) findings() (all []string) {
	if l.columns > maxColumns {
		all = append(all, fmt.Sprintf("%d columns; wrap at %d", l.columns, maxColumns))
	}
	for _, r := range rules {
		text := l.text
		if r.allowed != nil {
			text = r.allowed.ReplaceAllString(text, "")
		}
		if found := r.phrase.FindString(text); found != "" {
			all = append(all, fmt.Sprintf("%q: %s", found, r.instead))
		}
	}
	return all
}
