package storagetest

import (
	"strings"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/notify"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

func textTests() []test {
	return []test{
		{"text that is not storable is refused and leaves no trace", textIsRefused},
		{"an invalid user id is an unknown user", nameIsNobodys},
	}
}

// unstorable returns texts that not every database can store.
func unstorable() []string { return []string{"NUL \x00", "no UTF-8 \xff", "half a character \xe2\x82"} }

func textIsRefused(f *fixture) {
	u := f.account("anna")
	copies := f.group(alice, bob)
	sent := f.send(copies[0], "one")
	before := f.everythingOf(alice)
	for _, text := range unstorable() {
		account := func(change func(*user.Account)) func() error {
			return func() error {
				a := newAccount("bert")
				change(&a)
				_, _, err := f.store.CreateUser(f.ctx, a)
				return err
			}
		}
		update := func(up user.Update) func() error {
			return func() error { _, err := f.store.UpdateUser(f.ctx, u.ID, up); return err }
		}
		change := func(up group.Update) func() error {
			return func() error { _, err := f.store.UpdateGroup(f.ctx, copies[0], up); return err }
		}
		draft := func(d chat.Draft) func() error {
			return func() error { _, err := f.store.AppendMessage(f.ctx, copies[0], d); return err }
		}
		for _, each := range []struct {
			field string
			act   func() error
		}{
			{"content", draft(chat.Draft{Content: text})},
			{"clientMessageId", draft(chat.Draft{Content: "one", ClientID: text})},
			{"content", func() error { _, err := f.store.EditMessage(f.ctx, copies[0], sent.ID, text); return err }},
			{"title", func() error { _, _, err := f.store.CreateGroup(f.ctx, alice, group.Draft{Title: text}); return err }},
			{"description", func() error {
				_, _, err := f.store.CreateGroup(f.ctx, alice, group.Draft{Title: "Climbing", Description: text})
				return err
			}},
			{"title", change(group.Update{Title: &text})},
			{"description", change(group.Update{Description: &text})},
			{"groupImage", change(group.Update{Image: &text})},
			{"username", account(func(a *user.Account) { a.Username = text })},
			{"email", account(func(a *user.Account) { a.Email = text })},
			{"firstName", account(func(a *user.Account) { a.FirstName = text })},
			{"lastName", account(func(a *user.Account) { a.LastName = text })},
			{"phoneNumber.number", account(func(a *user.Account) { a.Phone.Number = text })},
			{"phoneNumber.countryCode", account(func(a *user.Account) { a.Phone.CountryCode = text })},
			{"firstName", update(user.Update{FirstName: &text})},
			{"lastName", update(user.Update{LastName: &text})},
			{"bio", update(user.Update{Bio: &text})},
			{"profilePicture", update(user.Update{Picture: &text})},
			{"number", func() error {
				_, err := f.store.AddPhone(f.ctx, u.ID, user.Phone{Number: text, CountryCode: "1"}, limit)
				return err
			}},
			{"session", func() error { return f.store.EndSession(f.ctx, alice, text) }},
		} {
			f.refused(storage.ErrInvalid, func() error {
				err := each.act()
				f.Equal(each.field, storage.Field(err), "%q", text)
				return err
			})
		}
	}
	f.Equal(before, f.everythingOf(alice))
	f.matches(user.Filter{}, "anna")
	users, err := f.store.Users(f.ctx, u.ID)
	f.NoError(err)
	f.Equal(map[user.ID]user.User{u.ID: u}, users)
}

func nameIsNobodys(f *fixture) {
	copies := f.group(alice)
	mine, _ := f.chat(alice, bob)
	m := f.send(mine, "one")
	for _, text := range append(unstorable(), "", strings.Repeat("x", user.MaxIDLength+1)) {
		nobody := user.ID(text)
		f.False(nobody.Valid())
		for name, act := range map[string]func() error{
			"OpenChat":       func() error { _, _, err := f.store.OpenChat(f.ctx, alice, nobody); return err },
			"OpenChat by it": func() error { _, _, err := f.store.OpenChat(f.ctx, nobody, alice); return err },
			"CreateGroup":    func() error { _, _, err := f.store.CreateGroup(f.ctx, nobody, group.Draft{Title: "Mine"}); return err },
			"AddMember":      func() error { _, err := f.store.AddMember(f.ctx, copies[0], nobody, limit); return err },
			"EraseUser":      func() error { return f.store.EraseUser(f.ctx, nobody) },
			"EndSession":     func() error { return f.store.EndSession(f.ctx, nobody, "") },
			"Send": func() error {
				_, err := f.store.AppendMessage(f.ctx, chat.Copy{Kind: mine.Kind, ID: mine.ID, Owner: nobody}, chat.Draft{Content: "one"})
				return err
			},
			"Message": func() error {
				_, err := f.store.Message(f.ctx, chat.Copy{Kind: mine.Kind, ID: mine.ID, Owner: nobody}, m.ID)
				return err
			},
			"FindMessage": func() error { _, _, err := f.store.FindMessage(f.ctx, nobody, m.ID); return err },
			"Credentials": func() error { _, err := f.store.Credentials(f.ctx, nobody); return err },
		} {
			f.refused(storage.ErrNotFound, func() error {
				err := act()
				f.Error(err, "%s of %q", name, text)
				return err
			})
		}
		chats, err := f.store.ListChats(f.ctx, nobody, chat.Filter{}, everything())
		f.NoError(err)
		f.Empty(chats)
		notifications, err := f.store.ListNotifications(f.ctx, nobody, notify.Filter{}, everything())
		f.NoError(err)
		f.Empty(notifications)
		n, err := f.store.CountNotifications(f.ctx, nobody, notify.Filter{})
		f.NoError(err)
		f.Zero(n)
		records, err := f.store.Records(f.ctx, nobody, 0, f.newest().ID, limit)
		f.NoError(err)
		f.Empty(records)
		f.Empty(f.memberships(0, nobody))
		users, err := f.store.Users(f.ctx, nobody)
		f.NoError(err)
		f.Empty(users)
	}
}
