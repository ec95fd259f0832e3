package gqldoc

// Limits bound the work that one document can cause. Zero stands for the default, a negative number for
// no bound.
type Limits struct {
	// Bytes of the document without its string literals; 15,000.
	Bytes int
	// Tokens of the document, comments not counted; 1,000.
	Tokens int
	// Depth of nested fields, fragments followed, and of nested lists and objects in values; 15, which is
	// what the standard introspection query has.
	Depth int
	// Aliases in the document; 50.
	Aliases int
	// AliasesOfField is how many aliases may stand for one field; 15.
	AliasesOfField int
	// Directives in the document; 50.
	Directives int
	// Credentials is how many root fields of an operation may check or make credentials, see [IsCredential]; 1.
	Credentials int
	// Cost of the selected operation, see [Document.Cost]; 25,000: fifty chats with twenty messages each
	// and everything about them pass, a hundred with a hundred do not.
	Cost int
	// SubscriptionCost is the Cost of a subscription, whose selection is resolved anew for each event; 500.
	SubscriptionCost int
	// Costs are what single fields cost besides the 1 that every field costs. A key is "Type.field", or
	// "Type.field(argument)" for what the field costs more where the argument is given. None by default.
	Costs map[string]int
	// Texts are the fields, as "Type.field", whose values may be large. None by default.
	Texts []string
	// NamesOfText is under how many names an operation may select one text of one object; 3. Aliases of
	// the objects above the text count as well. A field with other arguments is another field.
	NamesOfText int
	// DefaultPage is the length of a page where neither first nor last is given; 20.
	DefaultPage int
	// MaxPage is the longest page; 100. What asks for more is counted as this, since its resolver refuses it.
	MaxPage int
}

// IsCredential says whether a root field of this name checks or makes credentials: login, createUser and
// refreshToken, each of which is expensive and worth guessing at.
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

// exceeds returns a [*LimitError] where the figure is beyond the bound.
func exceeds(what string, figure, bound int) error { return exceedsUnless("", what, figure, bound) }

// exceedsUnless is exceeds with what the client can do about it.
func exceedsUnless(remedy, what string, figure, bound int) error {
	if bound < 0 || figure <= bound {
		return nil
	}
	return &LimitError{What: what, Figure: figure, Bound: bound, Remedy: remedy}
}
