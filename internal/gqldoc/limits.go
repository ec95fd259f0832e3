package gqldoc

// Limits bound the work that one document can cause. Zero means the default, and a negative number
// means no limit.
type Limits struct {
	// Bytes in the document, without string literals; 15,000.
	Bytes int
	// Tokens in the document, without comments; 1,000.
	Tokens int
	// Depth of nested fields, including those in fragments, and of nested lists and objects in
	// values; 15, which the standard introspection query needs.
	Depth int
	// Aliases in the document; 50.
	Aliases int
	// AliasesOfField is the number of aliases for fields with the same name; 15.
	AliasesOfField int
	// Directives in the document; 50.
	Directives int
	// Credentials is the number of root fields of a mutation for which [IsCredential] is true; 1.
	Credentials int
	// Cost of the selected operation, see [Document.Cost]; 25,000. This allows all fields of fifty
	// chats with twenty messages each, but not of a hundred chats with a hundred messages each.
	Cost int
	// SubscriptionCost is the Cost of a subscription, whose selection is resolved for each event;
	// 500.
	SubscriptionCost int
	// Costs are what fields cost in addition to the 1 that every field costs. A key is
	// "Type.field", or "Type.field(argument)" for an additional cost if the argument is given.
	// Empty by default.
	Costs map[string]int
	// Texts are the fields whose values may be large, as "Type.field". Empty by default.
	Texts []string
	// NamesOfText is the number of names under which an operation may select the same text of the
	// same object; 3. Aliases of the enclosing objects count as well. A field with other arguments
	// is another field.
	NamesOfText int
	// DefaultPage is the length of a page without first and last; 20.
	DefaultPage int
	// MaxPage is the maximum length of a page; 100. A longer page counts as this, because its
	// resolver refuses it.
	MaxPage int
}

// IsCredential reports whether a root field checks or creates credentials: login, createUser and
// refreshToken. These are expensive, and attackers use them for guessing.
func IsCredential(field string) bool {
	switch field {
	case "login", "createUser", "refreshToken":
		return true
	}
	return false
}

func (l Limits) withDefaults() Limits {
	for _, f := range []struct {
		field    *int
		standard int
	}{
		{&l.Bytes, 15_000},
		{&l.Tokens, 1_000},
		{&l.Depth, 15},
		{&l.Aliases, 50},
		{&l.AliasesOfField, 15},
		{&l.Directives, 50},
		{&l.Credentials, 1},
		{&l.Cost, 25_000},
		{&l.SubscriptionCost, 500},
		{&l.NamesOfText, 3},
		{&l.DefaultPage, 20},
		{&l.MaxPage, 100},
	} {
		if *f.field == 0 {
			*f.field = f.standard
		}
	}
	return l
}

// exceeds returns a [*LimitError] if the figure exceeds the bound.
func exceeds(what string, figure, bound int) error { return exceedsUnless("", what, figure, bound) }

// exceedsUnless is like exceeds, with a remedy in the error.
func exceedsUnless(remedy, what string, figure, bound int) error {
	if bound < 0 || figure <= bound {
		return nil
	}
	return &LimitError{What: what, Figure: figure, Bound: bound, Remedy: remedy}
}
