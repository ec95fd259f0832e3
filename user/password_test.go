package user_test

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/user"
)

var aboutZarquon = []string{"zarquon", "z.beeblebrox@betelgeuse.example", "Zarquon", "Beeblebrox"}

func TestAnEasilyGuessedPasswordIsRefused(t *testing.T) {
	t.Parallel()
	s, _ := newService(t, nil)
	for name, passwords := range map[string][]string{
		"common":            {"password", "Password1", "passw0rd!", "P@ssw0rd2024!", "P@$$w0rd!2345", "iloveyou", "letmein!", "qwertyuiop", "1q2w3e4r", "trustno1", "starwars", "football1", "monkey123", "drowssap"},
		"repeated":          {"aaaaaaaa", "AAAAaaaa", "abababab", "abcabcabcabc", "passwordpassword", "        ", "!!!!!!!!!!", "x1x1x1x1x1x1", strings.Repeat("z", 1024)},
		"sequential":        {"12345678", "87654321", "abcdefgh", "zyxwvuts", "abcdefghijklmnopqrstuvwxyz", "абвгдежзи", "11223344", "abcd1234", "0123456789"},
		"a season and year": {"Summer2024", "october2026", "buddychat", "buddychat1"},
		"own words":         {"zarquon1", "Zarquon!!", "beeblebrox", "BeebleBrox2024", "z4rqu0n-1999", "zarquonbeeblebrox", "Beeblebrox.Zarquon.7", "nouqraz1999", "Xorbelbeeb!nouqraZ", "z.beeblebrox@betelgeuse.example", "betelgeuse1", "ZARQUONzarquon"},
		"in other scripts":  {"パパパパパパパパ", "аааааааа", "ééééééééé", "ПрПрПрПрПр"},
	} {
		for _, p := range passwords {
			t.Run(name+"/"+p[:min(len(p), 32)], func(t *testing.T) {
				t.Parallel()
				requireInvalid(t, s.CheckGuess(p, aboutZarquon...), "password")
			})
		}
	}
}

func TestTheUsersOwnWordsAreFoundWhereTheyOverlap(t *testing.T) {
	t.Parallel()
	s, _ := newService(t, nil)
	// The username overlaps the last name by its first letter.
	requireInvalid(t, s.CheckGuess("CharlieBrown99", "charlieb", "snoopy@example.com", "Charlie", "Brown"), "password")
}

func TestAPasswordThatIsHardToGuessIsAccepted(t *testing.T) {
	t.Parallel()
	s, _ := newService(t, nil)
	for _, p := range []string{
		"correct-horse-battery", "correct horse battery staple", "s3cret-Pa55-x", "Tr0ub4dor&3", "hunter2-walrus",
		"kq82xmvt", "x7Kq0v1z", "mznbxvqp", "9fT!r2Lw", "vG7#pQ2m9z", "0192837465aq", "I like trains",
		"7d1f83a2c94e", "zarquon-7Kq0v1zt", "дождь-над-рекой", "我喜欢在下雨天喝茶", "Größenwahn-Übel", "a1!b2@c3#d4$",
		strings.Repeat("zarquon", 12) + "kq82xmvt", "Sup3rS3cure!Horse",
	} {
		t.Run(p, func(t *testing.T) {
			t.Parallel()
			require.NoError(t, s.CheckGuess(p, aboutZarquon...))
		})
	}
}

func TestTheLengthOfAPasswordIsCountedInCharacters(t *testing.T) {
	t.Parallel()
	unsteady := func(n int) string { return strings.Repeat("kq82xmvt-Ж", n/10+1) }
	cut := func(n int) string { return string([]rune("дождь!7Q" + unsteady(n))[:n]) }
	for name, c := range map[string]struct {
		password string
		ok       bool
	}{
		"empty":                    {"", false},
		"seven":                    {cut(7), false},
		"eight":                    {cut(8), true},
		"1,024":                    {cut(1024), true},
		"1,025":                    {cut(1025), false},
		"invalid UTF-8":            {"kq82xmvt\xff", false},
		"NUL":                      {"kq82xmvt\x00", false},
		"kept with spaces at ends": {" kq82xmv ", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := newService(t, nil)
			r := registration(1)
			r.Password = c.password
			u, _, err := s.Register(t.Context(), r)
			if !c.ok {
				requireInvalid(t, err, "password")
				return
			}
			require.NoError(t, err)
			got, err := s.Authenticate(t.Context(), r.Username, c.password)
			require.NoError(t, err)
			require.Equal(t, u, got)
		})
	}
}

func TestOptionsSetTheMinimumLengthAndAPasswordRule(t *testing.T) {
	t.Parallel()
	s, _ := newService(t, &user.Options{MinPassword: 12, PasswordRule: func(p string) error {
		if !strings.ContainsAny(p, "0123456789") {
			return errors.New("a digit is missing: 100% of passwords need one")
		}
		return nil
	}})
	r := registration(1)
	r.Password = "kq82xmvt-7q"
	_, _, err := s.Register(t.Context(), r)
	requireInvalid(t, err, "password")
	require.ErrorContains(t, err, "12 characters")

	r.Password = "correct-horse-battery"
	_, _, err = s.Register(t.Context(), r)
	requireInvalid(t, err, "password")
	require.EqualError(t, err, "a digit is missing: 100% of passwords need one")

	r.Password = "correct-horse-7-battery"
	u, _, err := s.Register(t.Context(), r)
	require.NoError(t, err)
	_, err = s.ChangePassword(t.Context(), u.ID, r.Password, "another-horse-battery")
	requireInvalid(t, err, "newPassword")
}

func TestTheSlowestPasswordCheckTakesLessThanASecond(t *testing.T) {
	t.Parallel()
	s, _ := newService(t, nil)
	about := []string{strings.Repeat("a1", 75), strings.Repeat("x.", 80) + "a@example.com"}
	for _, unit := range []string{"a4@({[<361!|70$5+%2", "ab1|7", "ﷺ", "a1", "12"} {
		password := strings.Repeat(unit, user.MaxPassword)[:user.MaxPassword]
		began := time.Now()
		s.Entropy(password, about...)
		// For 64 characters of the first one, zxcvbn alone takes half a second. Its time grows with
		// the cube of the length.
		require.Less(t, time.Since(began), time.Second, unit)
	}
}

func FuzzPassword(f *testing.F) {
	s, _ := newService(f, nil)
	for _, p := range []string{"", "P@ssw0rd", "ééé", "İİİ", "KKkk", "13.05.1987", "\x01\x02", "ﷺﷺ", "1|7(<{["} {
		f.Add(p, "zarquon", "z@example.com")
	}
	f.Fuzz(func(t *testing.T, password, name, email string) {
		if !utf8.ValidString(password) || !utf8.ValidString(name) || !utf8.ValidString(email) {
			return
		}
		require.GreaterOrEqual(t, s.Entropy(password, name, email), 0.0)
	})
}

func BenchmarkCheckPassword(b *testing.B) {
	s, _ := newService(b, nil)
	for b.Loop() {
		s.Entropy("Sup3rS3cure!Horse-b4ttery-st@ple-and-0ther-words", aboutZarquon...)
	}
}
