package user_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// fieldCase is the text sent in one field of a registration, and how it is stored. If stored is "",
// the text must be refused.
type fieldCase struct {
	name, sent, stored string
}

func testField(t *testing.T, field string, set func(*user.Registration, string), get func(user.User, user.Phone) string, cases []fieldCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, store := newService(t, nil)
			r := registration(1)
			set(&r, c.sent)
			u, p, err := s.Register(t.Context(), r)
			if c.stored == "" {
				requireInvalid(t, err, field)
				require.Empty(t, store.accounts, "a refused registration must not be stored")
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.stored, get(u, p))
		})
	}
}

func kept(name, s string) fieldCase    { return fieldCase{name, s, s} }
func refused(name, s string) fieldCase { return fieldCase{name, s, ""} }

func TestUsernameRules(t *testing.T) {
	t.Parallel()
	testField(t, "username",
		func(r *user.Registration, s string) { r.Username = s },
		func(u user.User, _ user.Phone) string { return u.Username },
		[]fieldCase{
			kept("all signs", "a_b.c+d-e@f"),
			kept("only digits", "2718"),
			kept("case is kept", "AdaLovelace"),
			kept("Chinese", "我爱聊天"),
			kept("Hindi with vowel signs", "नमस्ते"),
			kept("Arabic with Arabic digits", "آدم٤٢"),
			kept("4 characters", strings.Repeat("é", 4)),
			kept("150 characters", strings.Repeat("é", 150)),
			{"wide letters become plain ones", "ＡＤＡ９", "ADA9"},
			{"accents are composed", strings.Repeat("e\u0301", 150), strings.Repeat("é", 150)},
			{"ligatures are taken apart before counting", "oﬃ", "offi"},
			refused("3 characters", "éée"),
			refused("3 once composed", "e\u0301ab"),
			refused("151 characters", strings.Repeat("é", 151)),
			refused("longer once decomposed", strings.Repeat("ﬃ", 51)),
			refused("a mark without a letter", "\u0301abcd"),
			refused("a mark on a sign", "ab_\u0304cd"),
			refused("empty", ""),
			refused("a space", "ada lovelace"),
			refused("spaces around", " adal "),
			refused("a slash", "ada/lovelace"),
			refused("an emoji", "ada😀x"),
			refused("a line break", "ada\nx"),
			refused("NUL", "ada\x00x"),
			refused("invalid UTF-8", "ada\xffx"),
			refused("a zero-width joiner", "ad\u200dal"),
			refused("a variation selector", "adal\ufe0f"),
			refused("an invisible letter", "ad\u3164al"),
			refused("a megabyte", strings.Repeat("a", 1<<20)),
		})
}

func TestAnEmailMustBeAPlainAddress(t *testing.T) {
	t.Parallel()
	testField(t, "email",
		func(r *user.Registration, s string) { r.Email = s },
		func(u user.User, _ user.Phone) string { return u.Email },
		[]fieldCase{
			kept("plain", "Ada.Lovelace+chat@example.com"),
			kept("other scripts", "用户@例子.公司"),
			kept("punycode", "ada@xn--bcher-kva.example"),
			kept("two hyphens", "ada@r3---sn.example"),
			kept("digits in the domain", "ada@163.com"),
			refused("a host without a dot", "ada@localhost"),
			refused("an IPv4 address", "ada@127.0.0.1"),
			refused("punycode of nothing", "ada@xn--.example"),
			refused("punycode that is none", "ada@xn--a-ecp\u00e9.example"),
			refused("punycode of what is not allowed", "ada@xn--a\u0338.example"),
			refused("63 letters, and more in punycode", "ada@"+strings.Repeat("é", 63)+".cd"),
			refused("two directions in one label", "ada@aא.example"),
			kept("254 characters", strings.Repeat("a", 64)+"@"+strings.Repeat("b.", 94)+"c"),
			refused("255 characters", strings.Repeat("a", 64)+"@"+strings.Repeat("b.", 94)+"cd"),
			refused("65 bytes before the @", strings.Repeat("a", 65)+"@ab.cd"),
			kept("63 characters in a label", "ada@"+strings.Repeat("b", 63)+".cd"),
			refused("64 characters in a label", "ada@"+strings.Repeat("b", 64)+".cd"),
			refused("empty", ""),
			refused("no @", "ada.example.com"),
			refused("two @", "ada@b@example.com"),
			refused("no local part", "@example.com"),
			refused("no domain", "ada@"),
			refused("an empty label", "ada@example..com"),
			refused("a dot at the end", "ada@example.com."),
			refused("a hyphen at the edge", "ada@-example.com"),
			refused("an underscore in the domain", "ada@exa_mple.com"),
			refused("an address literal", "ada@[127.0.0.1]"),
			refused("a display name", "Ada <ada@example.com>"),
			refused("angle brackets", "<ada@example.com>"),
			refused("quotes", `"a b"@example.com`),
			refused("a comment", "ada@example.com (Ada)"),
			refused("two addresses", "ada@example.com, bob@example.com"),
			refused("a space", "ada @example.com"),
			refused("space around", " ada@example.com"),
			refused("a wide space", "ada\u3000l@example.com"),
			refused("a line break", "ada@example.com\r\nBcc: x@example.com"),
			refused("a zero-width space", "ada\u200b@example.com"),
			refused("NUL", "ada\x00@example.com"),
			refused("invalid UTF-8", "ada\xff@example.com"),
		})
}

func TestANameMustBe2To150CharactersOnOneLine(t *testing.T) {
	t.Parallel()
	cases := []fieldCase{
		kept("2 characters", "Жу"),
		kept("150 characters", strings.Repeat("é", 150)),
		kept("inner spaces and signs", "Jean-Luc d’Arc, 3rd <b>"),
		kept("Persian with a joiner", "علی\u200cرضا"),
		{"surrounding space is removed", " \u3000Ada\t\n", "Ada"},
		{"surrounding space does not count", strings.Repeat("a", 150) + "   ", strings.Repeat("a", 150)},
		refused("1 character", "A"),
		refused("1 character and spaces", " A "),
		refused("151 characters", strings.Repeat("é", 151)),
		refused("empty", ""),
		refused("only spaces", "     "),
		kept("Hebrew with a mark of direction", "דוד\u200f בן"),
		kept("a symbol", "☺\u200d☺"),
		kept("marks on a letter", "e\u0301\u0302"),
		refused("zero-width spaces", "\u200b\u200b\u200b"),
		refused("Hangul fillers", "\u3164\uffa0\u115f\u1160"),
		refused("Braille without dots", "\u2800\u2800"),
		refused("marks without a letter", "\u0301\u0302"),
		refused("variation selectors", "\ufe0f\ufe0f"),
		refused("soft hyphens", "\u00ad\u00ad"),
		refused("tags", "\U000e0041\U000e0042"),
		refused("a right-to-left override", "Ada \u202egnp"),
		refused("a left-to-right override", "\u202dAda"),
		refused("an embedding", "\u202bAda\u202c"),
		refused("an isolate", "\u2067Ada\u2069"),
		refused("a tab", "Ada\tLovelace"),
		refused("a C1 control", "Ada\u009b31m"),
		refused("a next line", "Ada\u0085Lovelace"),
		refused("a paragraph separator", "Ada\u2029Lovelace"),
		refused("a line break", "Ada\nLovelace"),
		refused("a line separator", "Ada\u2028Lovelace"),
		refused("an escape", "Ada\x1b[31m"),
		refused("NUL", "Ada\x00"),
		refused("invalid UTF-8", "Ada\xff"),
	}
	t.Run("first", func(t *testing.T) {
		t.Parallel()
		testField(t, "firstName",
			func(r *user.Registration, s string) { r.FirstName = s },
			func(u user.User, _ user.Phone) string { return u.FirstName }, cases)
	})
	t.Run("last", func(t *testing.T) {
		t.Parallel()
		testField(t, "lastName",
			func(r *user.Registration, s string) { r.LastName = s },
			func(u user.User, _ user.Phone) string { return u.LastName }, cases)
	})
}

func TestAPhoneNumberMustBe8To15Digits(t *testing.T) {
	t.Parallel()
	testField(t, "phoneNumber.number",
		func(r *user.Registration, s string) { r.Phone.Number = s },
		func(_ user.User, p user.Phone) string { return p.Number },
		[]fieldCase{
			kept("8", "01234567"), kept("15", "012345678901234"),
			refused("7", "0123456"), refused("16", "0123456789012345"), refused("empty", ""), refused("a plus", "+01234567"),
			refused("a space", "0123 4567"), refused("a letter", "0123456x"), refused("other digits", "٠١٢٣٤٥٦٧"), refused("NUL", "01234567\x00"),
		})
}

func TestACountryCodeMustBe1To4DigitsWithAnOptionalPlus(t *testing.T) {
	t.Parallel()
	testField(t, "phoneNumber.countryCode",
		func(r *user.Registration, s string) { r.Phone.CountryCode = s },
		func(_ user.User, p user.Phone) string { return p.CountryCode },
		[]fieldCase{
			kept("1", "1"), kept("4", "1684"), {"a plus", "+44", "44"}, {"a plus and 4", "+1684", "1684"},
			refused("5", "12345"), refused("a plus and 5", "+12345"), refused("empty", ""), refused("only a plus", "+"),
			refused("two pluses", "++44"), refused("a space", "4 4"), refused("a letter", "4a"),
		})
}

func TestAnImageMustBeAnHTTPURLOrAPath(t *testing.T) {
	t.Parallel()
	long := "/" + strings.Repeat("é", user.MaxImage-1)
	for _, taken := range []string{
		"", "https://example.com/a.png?x=1#y", "HTTP://example.com", "https://例子.公司/头像.png", "http://[::1]:8080/a.png",
		"/images/me.png", "images/me.png", "../me.png", "me.png", "/a/./b%20c", "me.png?v=2", long,
	} {
		require.NoError(t, user.CheckImage("groupImage", taken), "%q", taken)
	}
	for _, bad := range []string{
		"javascript:alert(1)", "JavaScript:alert(1)", " javascript:alert(1)", "java\tscript:alert(1)", "data:image/png;base64,AAAA",
		"file:///etc/passwd", "ftp://example.com/a.png", "mailto:ada@example.com", "//example.com/a.png", `/\example.com/a.png`, `\\example.com\a.png`,
		"http:", "http://", "https:///a.png", "http:a.png", "http://:80/", "https://exa mple.com/", "/my picture.png", "/a\u00a0b", "/a\u200bb",
		"?x=1", "#y", "/%zz", "/a\nb", "/a\x00b", "/a\xffb", "/\u202egnp.exe", long + "x", " ",
	} {
		requireInvalid(t, user.CheckImage("groupImage", bad), "groupImage")
	}
}

func TestEveryErrorNamesItsArgument(t *testing.T) {
	t.Parallel()
	s, _ := newService(t, nil)
	u := register(t, s, 1)
	long := strings.Repeat("é", user.MaxBio+1)
	text := func(s string) *string { return &s }
	for field, change := range map[string]user.Update{
		"firstName":      {FirstName: text("")},
		"lastName":       {LastName: text("A")},
		"bio":            {Bio: &long},
		"profilePicture": {Picture: text("javascript:alert(1)")},
	} {
		_, err := s.Update(t.Context(), u.ID, change)
		requireInvalid(t, err, field)
	}
	_, err := s.AddPhone(t.Context(), u.ID, user.Phone{Number: "1", CountryCode: "1"})
	requireInvalid(t, err, "number")
	_, err = s.AddPhone(t.Context(), u.ID, user.Phone{Number: "12345678", CountryCode: ""})
	requireInvalid(t, err, "countryCode")
	for field, filter := range map[string]user.Filter{
		"username": {Username: "a\x00"}, "firstName": {FirstName: "\xff"}, "lastName": {LastName: strings.Repeat("a", 256)}, "search": {Search: "\x00"},
	} {
		_, err := s.Count(t.Context(), filter)
		requireInvalid(t, err, field)
	}
}

func TestASearchMustHave2CharactersAndAtMost20Words(t *testing.T) {
	t.Parallel()
	for _, search := range []string{"ab", " ab ", "\u00a0ab\t", "a b", "王伟", "😀😀", "e\u0301", "´´", strings.Repeat("ab ", user.MaxSearchWords)} {
		require.NoError(t, user.CheckSearch(search), "%q", search)
	}
	for _, search := range []string{"", " ", "a", " a ", "\u3000a\u00a0", "😀", "a\x00b", "a\xffb", strings.Repeat("ab ", user.MaxSearchWords+1), strings.Repeat("a", 256)} {
		err := user.CheckSearch(search)
		require.ErrorIs(t, err, storage.ErrInvalid, "%q", search)
		require.Equal(t, "search", storage.Field(err))
	}
}

func TestSearchWordsAreFoldedAndDeduplicated(t *testing.T) {
	t.Parallel()
	for search, want := range map[string][]string{
		"":                     nil,
		" Ada  LOVE\u00a0":     {"love", "ada"},
		"ad ada adamant da":    {"adamant"},
		"Straße STRASSE stras": {"strasse"},
		"\u00b4\u00b4":         {"\u0301"},
	} {
		require.Equal(t, want, user.Filter{Search: search}.Words(), "%q", search)
	}
}
