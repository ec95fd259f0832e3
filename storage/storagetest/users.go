package storagetest

import (
	"strconv"

	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

func userTests() []test {
	return []test{
		{"an account is found as it was created", accountIsFound},
		{"usernames, emails and phone numbers are unique, ignoring case", accountIsUnique},
		{"unknown users are left out", unknownUsers},
		{"an update changes only the given fields", profileIsUpdated},
		{"a better hash replaces the old one and ends no session", hashIsReplaced},
		{"a new password ends every session", passwordIsSet},
		{"a phone number belongs to one user, who has a maximum number of them", phonesAreAdded},
		{"only its owner removes a phone number", phoneIsRemoved},
		{"users are listed by their numbers, in pages", usersAreListed},
		{"filters match whole names and a search matches parts", usersAreFiltered},
		{"a search has no wildcard characters", searchIsLiteral},
		{"each word of a search must be part of a name", searchGoesAcrossNames},
		{"a search finds the current names", searchFollowsNames},
		{"search results come in pages", searchIsPaged},
	}
}

func accountIsFound(f *fixture) {
	now := f.tick()
	n := newAccount("Anna.Ωmega")
	u, phone, err := f.store.CreateUser(f.ctx, n)
	f.NoError(err)
	f.Equal(user.ID(strconv.FormatInt(u.Number, 10)), u.ID, "the id is the decimal form of the number")
	f.Equal(user.User{
		Profile: user.Profile{ID: u.ID, Username: n.Username, FirstName: n.FirstName, LastName: n.LastName, Joined: now},
		Number:  u.Number, Email: n.Email, PasswordVersion: 1,
	}, u)
	f.NotZero(phone.ID)
	f.Equal(user.Phone{ID: phone.ID, Number: n.Phone.Number, CountryCode: n.Phone.CountryCode}, phone)

	found, err := f.store.Users(f.ctx, u.ID, "987654321", "no number")
	f.NoError(err)
	f.Equal(map[user.ID]user.User{u.ID: u}, found)
	want := user.Credentials{User: u, PasswordHash: n.PasswordHash}
	c, err := f.store.Credentials(f.ctx, u.ID)
	f.NoError(err)
	f.Equal(want, c)
	for _, name := range []string{"Anna.Ωmega", "ANNA.ΩMEGA", "anna.ωmega", "ａｎｎａ.ωmega"} {
		c, err = f.store.CredentialsByName(f.ctx, name)
		f.NoError(err, name)
		f.Equal(want, c, name)
	}
	phones, err := f.store.Phones(f.ctx, u.ID, "987654321")
	f.NoError(err)
	f.Equal(map[user.ID][]user.Phone{u.ID: {phone}}, phones)
}

func accountIsUnique(f *fixture) {
	f.account("straße")
	old := newAccount("straße")
	username := func(a *user.Account) { a.Username = "STRASSE" }
	email := func(a *user.Account) { a.Email = "STRASSE@EXAMPLE.ORG" }
	phone := func(a *user.Account) { a.Phone = old.Phone }
	for _, c := range []struct {
		taken []func(*user.Account)
		want  error
	}{
		{[]func(*user.Account){username}, user.UsernameTaken()},
		{[]func(*user.Account){email}, user.EmailTaken()},
		{[]func(*user.Account){phone}, user.PhoneTaken()},
		{[]func(*user.Account){email, phone}, user.EmailTaken()},
		{[]func(*user.Account){username, phone}, user.UsernameTaken()},
		{[]func(*user.Account){username, email, phone}, user.UsernameTaken()},
	} {
		n := newAccount("other")
		for _, take := range c.taken {
			take(&n)
		}
		f.refused(storage.ErrConflict, func() error {
			_, _, err := f.store.CreateUser(f.ctx, n)
			f.Equal(storage.Message(c.want), storage.Message(err))
			return err
		})
	}
	n, err := f.store.CountUsers(f.ctx, user.Filter{})
	f.NoError(err)
	f.Equal(1, n, "a refused account stores nothing")
	other := f.account("other")

	unicode := newAccount("buecher")
	unicode.Email = "anna@bücher.example"
	_, _, err = f.store.CreateUser(f.ctx, unicode)
	f.NoError(err)
	again := newAccount("again")
	again.Email = "Anna@xn--bcher-kva.example"
	_, _, err = f.store.CreateUser(f.ctx, again)
	f.Equal(storage.Message(user.EmailTaken()), storage.Message(err), "the domain in punycode")

	both := newAccount("third") // the name of one, the email of the other
	both.Username, both.Email = "other", "straße@example.org"
	for range 8 { // in whatever order a store looks
		_, _, err = f.store.CreateUser(f.ctx, both)
		f.Equal(storage.Message(user.UsernameTaken()), storage.Message(err))
	}
	both.Username, both.Email = "straße", other.Email
	for range 8 {
		_, _, err = f.store.CreateUser(f.ctx, both)
		f.Equal(storage.Message(user.UsernameTaken()), storage.Message(err))
	}
}

func unknownUsers(f *fixture) {
	u := f.account("anna")
	for _, id := range []user.ID{"987654321", "no number", "0" + u.ID, "+" + u.ID, " " + u.ID, "99999999999999999999999", ""} {
		for name, act := range map[string]func() error{
			"Credentials":       func() error { _, err := f.store.Credentials(f.ctx, id); return err },
			"CredentialsByName": func() error { _, err := f.store.CredentialsByName(f.ctx, string(id)); return err },
			"UpdateUser":        func() error { _, err := f.store.UpdateUser(f.ctx, id, user.Update{Bio: new("x")}); return err },
			"ReplaceHash":       func() error { return f.store.ReplaceHash(f.ctx, id, "a", "b") },
			"SetPassword":       func() error { return f.store.SetPassword(f.ctx, id, "a", "b") },
			"EraseVerified":     func() error { return f.store.EraseVerified(f.ctx, id, 1) },
			"AddPhone":          func() error { _, err := f.store.AddPhone(f.ctx, id, newAccount("x").Phone, limit); return err },
			"RemovePhone":       func() error { return f.store.RemovePhone(f.ctx, id, 1) },
		} {
			f.refused(storage.ErrNotFound, func() error {
				err := act()
				f.Error(err, "%s of %q", name, id)
				return err
			})
		}
		users, err := f.store.Users(f.ctx, id)
		f.NoError(err)
		f.Empty(users)
		phones, err := f.store.Phones(f.ctx, id)
		f.NoError(err)
		f.Empty(phones)
	}
	users, err := f.store.Users(f.ctx)
	f.NoError(err)
	f.Empty(users, "no ids")
}

func profileIsUpdated(f *fixture) {
	u := f.account("anna")
	other := f.account("other")
	want := u
	for _, step := range []struct {
		update user.Update
		change func(*user.User)
	}{
		{user.Update{Bio: new(" climbs ⛰️\n"), Picture: new("/a.png")}, func(u *user.User) { u.Bio, u.Picture = " climbs ⛰️\n", "/a.png" }},
		{user.Update{FirstName: new("Ann"), LastName: new("Lee")}, func(u *user.User) { u.FirstName, u.LastName = "Ann", "Lee" }},
		{user.Update{Bio: new(""), Picture: new("")}, func(u *user.User) { u.Bio, u.Picture = "", "" }},
		{user.Update{}, func(*user.User) {}},
	} {
		step.change(&want)
		f.tick()
		got, err := f.store.UpdateUser(f.ctx, u.ID, step.update)
		f.NoError(err)
		f.Equal(want, got)
		users, err := f.store.Users(f.ctx, u.ID, other.ID)
		f.NoError(err)
		f.Equal(map[user.ID]user.User{u.ID: want, other.ID: other}, users)
	}
}

func (f *fixture) credentials(id user.ID) user.Credentials {
	f.t.Helper()
	c, err := f.store.Credentials(f.ctx, id)
	f.NoError(err)
	return c
}

func (f *fixture) hash(id user.ID) string {
	f.t.Helper()
	return f.credentials(id).PasswordHash
}

func hashIsReplaced(f *fixture) {
	u := f.account("anna")
	in := f.login(u.ID, "one")
	f.silent(func() {
		f.NoError(f.store.ReplaceHash(f.ctx, u.ID, "hash of anna", "better"))
		f.Equal("better", f.hash(u.ID))
		f.Equal(u, f.credentials(u.ID).User, "nothing that is seen of the account changes")
		f.NoError(f.store.ReplaceHash(f.ctx, u.ID, "hash of anna", "late"), "a hash that has changed meanwhile is no error")
		f.Equal("better", f.hash(u.ID))
	})
	f.active(true, in)
}

func passwordIsSet(f *fixture) {
	u, other := f.account("anna"), f.account("other")
	phone, laptop, others := f.login(u.ID, "one"), f.login(u.ID, "two"), f.login(other.ID, "three")
	f.refused(storage.ErrConflict, func() error { return f.store.SetPassword(f.ctx, u.ID, "another", "new") })
	f.Equal("hash of anna", f.hash(u.ID))
	f.active(true, phone)

	f.endsSession(u.ID, "", func() {
		f.tick()
		f.NoError(f.store.SetPassword(f.ctx, u.ID, "hash of anna", "new"))
	})
	f.Equal("new", f.hash(u.ID))
	f.Greater(f.credentials(u.ID).User.PasswordVersion, u.PasswordVersion)
	f.active(false, phone)
	f.active(false, laptop)
	f.active(true, others)
	_, err := f.store.RotateRefresh(f.ctx, f.rotation("one", "next"))
	f.ErrorIs(err, storage.ErrUnauthenticated, "a refresh token of an ended session")
}

func phonesAreAdded(f *fixture) {
	u, other := f.account("anna"), f.account("other")
	first := newAccount("anna").Phone
	add := func(id user.ID, p user.Phone, limit int) (user.Phone, error) {
		f.tick()
		return f.store.AddPhone(f.ctx, id, p, limit)
	}
	second, err := add(u.ID, user.Phone{Number: "12345678", CountryCode: "1"}, 3)
	f.NoError(err)
	third, err := add(u.ID, user.Phone{Number: "12345678", CountryCode: "1234"}, 3)
	f.NoError(err, "the same number in another country")
	for name, act := range map[string]func() error{
		"one too many":     func() error { _, err := add(u.ID, user.Phone{Number: "87654321", CountryCode: "1"}, 3); return err },
		"one's own again":  func() error { _, err := add(u.ID, first, limit); return err },
		"one of another's": func() error { _, err := add(other.ID, first, limit); return err },
	} {
		f.refused(storage.ErrConflict, func() error {
			err := act()
			f.Error(err, name)
			return err
		})
	}
	for _, p := range []user.Phone{first, {Number: "87654321", CountryCode: "1"}} {
		_, err = add(other.ID, p, 1)
		f.Equal(storage.Message(user.TooManyPhones(1)), storage.Message(err), "a user at the limit must not learn whether the number is taken")
	}
	phones, err := f.store.Phones(f.ctx, other.ID, u.ID)
	f.NoError(err)
	f.Len(phones[other.ID], 1)
	f.Len(phones[u.ID], 3)
	f.Equal([]user.Phone{phones[u.ID][0], second, third}, phones[u.ID])
	f.Equal(first.Number, phones[u.ID][0].Number)
	f.Less(phones[u.ID][0].ID, second.ID)
	f.Less(second.ID, third.ID)
}

func phoneIsRemoved(f *fixture) {
	u, other := f.account("anna"), f.account("other")
	phones, err := f.store.Phones(f.ctx, u.ID)
	f.NoError(err)
	p := phones[u.ID][0]
	f.refused(storage.ErrNotFound, func() error { return f.store.RemovePhone(f.ctx, other.ID, p.ID) })
	f.refused(storage.ErrNotFound, func() error { return f.store.RemovePhone(f.ctx, u.ID, p.ID+1000) })
	f.NoError(f.store.RemovePhone(f.ctx, u.ID, p.ID))
	f.refused(storage.ErrNotFound, func() error { return f.store.RemovePhone(f.ctx, u.ID, p.ID) })
	phones, err = f.store.Phones(f.ctx, u.ID)
	f.NoError(err)
	f.Empty(phones[u.ID])
	_, err = f.store.AddPhone(f.ctx, other.ID, p, limit)
	f.NoError(err, "a number that was removed is free")
}

func usersAreListed(f *fixture) {
	var all []user.User
	for _, name := range []string{"zoe.1", "adam.2", "mia.3", "bert.4", "lena.5"} {
		all = append(all, f.account(name))
	}
	pages(f, all, user.User.Key, func(r storage.Range) ([]user.User, error) {
		return f.store.ListUsers(f.ctx, user.Filter{}, r)
	})
	n, err := f.store.CountUsers(f.ctx, user.Filter{})
	f.NoError(err)
	f.Equal(len(all), n)
}

// matches checks which users a filter selects.
func (f *fixture) matches(filter user.Filter, want ...string) {
	f.t.Helper()
	users, err := f.store.ListUsers(f.ctx, filter, everything())
	f.NoError(err)
	var got []string
	for _, u := range users {
		got = append(got, u.Username)
	}
	f.Equal(want, got, "%+v", filter)
	n, err := f.store.CountUsers(f.ctx, filter)
	f.NoError(err)
	f.Equal(len(want), n, "the count of %+v", filter)
}

// named registers a user with these names.
func (f *fixture) named(username, first, last string) {
	f.t.Helper()
	f.tick()
	n := newAccount(username)
	n.FirstName, n.LastName = first, last
	_, _, err := f.store.CreateUser(f.ctx, n)
	f.NoError(err)
}

func usersAreFiltered(f *fixture) {
	f.named("anna", "Anna", "Großmann")
	f.named("hannah", "Hanna", "Öz")
	f.named("bert", "Annabert", "Smith")
	f.named("carl", "Anna", "Smith")

	f.matches(user.Filter{}, "anna", "hannah", "bert", "carl")
	f.matches(user.Filter{Username: "ANNA"}, "anna")
	f.matches(user.Filter{FirstName: "anna"}, "anna", "carl")
	f.matches(user.Filter{LastName: "GROSSMANN"}, "anna")
	f.matches(user.Filter{LastName: "öZ"}, "hannah")
	f.matches(user.Filter{LastName: "O\u0308z"}, "hannah")
	f.matches(user.Filter{FirstName: "anna", LastName: "smith"}, "carl")
	f.matches(user.Filter{Username: "anna", LastName: "smith"})
	f.matches(user.Filter{Search: "ANNA"}, "anna", "hannah", "bert", "carl")
	f.matches(user.Filter{Search: "mit"}, "bert", "carl")
	f.matches(user.Filter{Search: "ossm"}, "anna")
	f.matches(user.Filter{Search: "nna", LastName: "Smith"}, "bert", "carl")
	f.matches(user.Filter{Search: "example.org"})
	f.matches(user.Filter{Search: newAccount("anna").Phone.Number[2:9]})
	f.matches(user.Filter{Search: "hash of"})
}

func searchIsLiteral(f *fixture) {
	f.named("anna", "100%", `back\slash`)
	f.named("bert", "100x", "under_score")
	f.named("carl", "it's", `"quoted"*`)
	f.matches(user.Filter{Search: "%"}, "anna")
	f.matches(user.Filter{Search: "0%"}, "anna")
	f.matches(user.Filter{Search: "_"}, "bert")
	f.matches(user.Filter{Search: `\`}, "anna")
	f.matches(user.Filter{Search: `\s`}, "anna")
	f.matches(user.Filter{Search: "'"}, "carl")
	f.matches(user.Filter{Search: `"*`}, "carl")
	f.matches(user.Filter{Search: "?"})
	f.matches(user.Filter{FirstName: "100_"})
}

func searchGoesAcrossNames(f *fixture) {
	f.named("countess", "Ada", "Lovelace")
	f.named("adamant", "Grace", "Hopper-Love")
	f.named("lovely", "Łukasz 😀😁😂", "O'Brien-Müller")
	f.named("sheep", "Baaah", "Baaab")
	for search, want := range map[string][]string{
		"ada love":            {"countess", "adamant"},
		"  LOVE\tada\u00a0":   {"countess", "adamant"},
		"ada lovelace":        {"countess"},
		"lovelace ada ad ada": {"countess"},
		"countess lovelace":   {"countess"},
		"adalovelace":         nil,
		"ada hopper grace":    {"adamant"},
		"hopper-love":         {"adamant"},
		"a e":                 {"countess", "adamant", "lovely", "sheep"},
		"z y":                 {"lovely"},
		"z q":                 nil,
		"ł":                   {"lovely"},
		"łu mü":               {"lovely"},
		"😁":                   {"lovely"},
		"😀😁":                  {"lovely"},
		"😀😁😂":                 {"lovely"},
		"😁😀":                  nil,
		"o'brien-müller":      {"lovely"},
		"aaa aab":             {"sheep"},
		"aaaa":                nil, // all parts of it that are shorter are in a name
		"baaahaaab":           nil,
		"example":             nil,
		"hash":                nil,
	} {
		f.matches(user.Filter{Search: search}, want...)
	}
	f.matches(user.Filter{Search: "love", FirstName: "grace"}, "adamant")
	f.matches(user.Filter{Search: "love", FirstName: "ada", LastName: "lovelace", Username: "COUNTESS"}, "countess")
	f.matches(user.Filter{Search: "love", LastName: "love"})
}

func searchFollowsNames(f *fixture) {
	u := f.account("renamed")
	other := f.account("other")
	f.matches(user.Filter{Search: "renamed last"}, "renamed")
	_, err := f.store.UpdateUser(f.ctx, u.ID, user.Update{Bio: new("once renamed")})
	f.NoError(err)
	f.matches(user.Filter{Search: "renamed last"}, "renamed")
	_, err = f.store.UpdateUser(f.ctx, u.ID, user.Update{FirstName: new("Zoë"), LastName: new("Quine")})
	f.NoError(err)
	f.matches(user.Filter{Search: "zoë qui"}, "renamed")
	f.matches(user.Filter{Search: "renamed"}, "renamed") // the username
	f.matches(user.Filter{Search: "renamed last"})
	f.matches(user.Filter{FirstName: "first renamed"})
	f.matches(user.Filter{FirstName: "zoë", LastName: "QUINE"}, "renamed")
	_, err = f.store.UpdateUser(f.ctx, u.ID, user.Update{LastName: new("First")})
	f.NoError(err)
	f.matches(user.Filter{Search: "zoë irs"}, "renamed")
	f.matches(user.Filter{Search: "quine"})
	f.refused(storage.ErrNotFound, func() error {
		_, err := f.store.UpdateUser(f.ctx, "987654321", user.Update{FirstName: new("Zoë")})
		return err
	})
	f.erase(u.ID)
	f.matches(user.Filter{Search: "zoë"})
	f.matches(user.Filter{Search: "rename"})
	f.matches(user.Filter{Search: "oth"}, other.Username)
	f.account("renamed")
	f.matches(user.Filter{Search: "renamed last"}, "renamed")
}

func searchIsPaged(f *fixture) {
	var all []user.User
	for i := range 9 {
		u := f.account("user" + strconv.Itoa(i))
		if i%2 == 0 {
			all = append(all, u)
			continue
		}
		_, err := f.store.UpdateUser(f.ctx, u.ID, user.Update{LastName: new("Other")})
		f.NoError(err)
	}
	for _, c := range []struct {
		filter user.Filter
		want   []user.User
	}{
		{user.Filter{Search: "last"}, all},
		{user.Filter{Search: "la"}, all},
		{user.Filter{Search: "la st fir"}, all},
		{user.Filter{Search: "user first last"}, all},
		{user.Filter{Search: "user2 last"}, all[1:2]},
		{user.Filter{Search: "l r"}, all},
		{user.Filter{Search: "t r", LastName: "last user4"}, all[2:3]},
		{user.Filter{Search: "first", LastName: "last user4", FirstName: "first user4"}, all[2:3]},
	} {
		pages(f, c.want, user.User.Key, func(r storage.Range) ([]user.User, error) {
			return f.store.ListUsers(f.ctx, c.filter, r)
		})
	}
}
