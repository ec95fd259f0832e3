package user_test

import (
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/user"
)

func TestNamesThatDifferInCaseOrFormFoldToTheSame(t *testing.T) {
	t.Parallel()
	for _, same := range [][]string{
		{"ada", "Ada", "ADA", "ａｄａ", "ＡＤＡ"},
		{"straße", "STRASSE", "strasse", "Straẞe"},
		{"josé", "JOSÉ", "jose\u0301"},
		{"σίσυφος", "ΣΊΣΥΦΟΣ", "σίσυφοσ"},
		{"김철수", "\u1100\u1175\u11b7\u110e\u1165\u11af\u1109\u116e"},
		{"office", "oﬃce", "OFFICE"},
		{"i\u0307", "İ"},
		{"", ""},
	} {
		for _, s := range same {
			require.Equal(t, user.Fold(same[0]), user.Fold(s), "%q and %q", same[0], s)
		}
	}
	for _, differ := range [][2]string{{"ada", "adá"}, {"ada", "adb"}, {"аda", "ada"}, {"i", "ı"}} {
		require.NotEqual(t, user.Fold(differ[0]), user.Fold(differ[1]))
	}
}

func TestFoldingALetterTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if !unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.S) {
			continue
		}
		for _, s := range []string{string(r), "a" + string(r), string(r) + "\u0345"} {
			if folded := user.Fold(s); folded != user.Fold(folded) {
				require.Fail(t, "folding twice must not change anything", "%U", []rune(s))
			}
		}
	}
}

func FuzzFold(f *testing.F) {
	for _, s := range []string{"", "Ada", "ẞ", "İ", "ﬃ", "\u0345\u0301Α", "K", "ϓ\u0308", "\u1e9b\u0323", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		folded := user.Fold(s)
		require.Equal(t, folded, user.Fold(folded), "folding twice must not change anything")
		require.Equal(t, utf8.ValidString(s), utf8.ValidString(folded))
	})
}

func FuzzUsername(f *testing.F) {
	for _, s := range []string{"ada_lovelace", "ada.l+x@example-1", "ＡＤＡＬ", "नमस्ते", "ﷺﷺ", "ada\u0301", "\u0301ada", "a\u3164bc", "ada\ufe0fl", "x\x00yz", "\xffabc"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, err := user.CleanUsername(s)
		if err != nil {
			requireInvalid(t, err, "username")
			return
		}
		n := utf8.RuneCountInString(name)
		require.True(t, utf8.ValidString(name) && n >= user.MinUsername && n <= user.MaxUsername)
		for _, r := range name {
			require.False(t, unicode.IsSpace(r) || unicode.IsControl(r), "%q", name)
		}
		again, err := user.CleanUsername(name)
		require.NoError(t, err)
		require.Equal(t, name, again)
		require.Equal(t, user.Fold(s), user.Fold(name))
	})
}

func TestADomainInUnicodeEqualsTheSameInPunycode(t *testing.T) {
	t.Parallel()
	for _, same := range [][]string{
		{"ada@bücher.example", "ADA@BÜCHER.EXAMPLE", "ada@xn--bcher-kva.example", "Ada@XN--BCHER-KVA.Example", "ada@bu\u0308cher.example"},
		{"用户@例子.公司", "用户@xn--fsqu00a.公司", "用户@xn--fsqu00a.xn--55qx5d"},
		{"ada@straße.example", "ada@xn--strae-oqa.example", "ada@STRASSE.example"},
		{"ada@ελλάς.example", "ada@xn--hxarsa0b.example", "ADA@ΕΛΛΆΣ.example"},
		{"ada@example.com", "Ada@EXAMPLE.com"},
	} {
		for _, email := range same {
			require.Equal(t, user.FoldEmail(same[0]), user.FoldEmail(email), email)
			require.Equal(t, user.FoldEmail(email), user.FoldEmail(user.FoldEmail(email)), "folding twice must not change anything")
		}
	}
	for _, other := range []string{"ada@bucher.example", "ada@xn--bcher-kva.example.com", "xn--bcher-kva@ada.example", "", "ada", "ada@", "\xff@\xff"} {
		require.NotEqual(t, user.FoldEmail("ada@bücher.example"), user.FoldEmail(other))
	}
	require.Equal(t, user.Fold("not an email xn--bcher-kva"), user.FoldEmail("not an email xn--bcher-kva"))
	require.NotEqual(t, user.FoldEmail("bücher@example.com"), user.FoldEmail("xn--bcher-kva@example.com"), "only the part after the @ is a domain")
}
