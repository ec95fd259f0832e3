package storagetest

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/notify"
	"github.com/buddychat/buddychat/user"
	"github.com/buddychat/buddychat/user/token"
)

// lockstepAct is a possible next act, with its frequency, and whether it may run in a transaction
// of the application.
type lockstepAct struct {
	weight int
	inTx   bool
	do     func()
}

func (l *lockstepHistory) acts() map[string]lockstepAct {
	return map[string]lockstepAct{
		"open a chat":     {2, true, func() { l.openChat(l.someUser("by"), l.someUser("with")) }},
		"create a group":  {1, true, func() { l.createGroup(l.someUser("by"), l.someText()) }},
		"send":            {6, true, func() { l.send(l.someCopy(), l.someText(), l.someClientID()) }},
		"edit":            {2, true, func() { c := l.someCopy(); l.edit(c, l.someMessage(c), l.someText()) }},
		"unsend":          {2, true, func() { l.onMessage("unsends", side.UnsendMessage) }},
		"hide":            {2, true, func() { l.onMessage("hides", side.HideMessage) }},
		"clear":           {1, true, func() { l.onCopy("clears", side.ClearCopy) }},
		"archive":         {1, true, l.archive},
		"read":            {4, true, l.read},
		"mark":            {2, true, l.mark},
		"add":             {3, true, func() { l.addMember(l.someCopyOf(chat.Group), l.someUser("member"), l.someLimit()) }},
		"remove":          {1, true, l.removeMember},
		"leave":           {2, true, func() { l.onCopy("leaves", side.Leave) }},
		"set admin":       {2, true, l.setAdmin},
		"update a group":  {1, true, l.updateGroup},
		"remove a group":  {1, true, l.removeGroup},
		"erase":           {1, true, l.erase},
		"purge":           {1, false, l.purge},
		"register":        {2, true, l.register},
		"update a user":   {1, true, l.updateUser},
		"set a password":  {1, true, l.setPassword},
		"replace a hash":  {1, true, l.replaceHash},
		"add a phone":     {1, true, l.addPhone},
		"remove a phone":  {1, true, l.removePhone},
		"log in":          {2, true, l.logIn},
		"refresh":         {3, true, l.refresh},
		"revoke":          {1, true, l.revoke},
		"end a session":   {1, true, l.endSession},
		"purge sessions":  {1, true, l.purgeSessions},
		"check position":  {1, false, l.checkPosition},
		"in transactions": {3, false, l.transaction},
	}
}

// The functions below choose what to act on: usually something present, and sometimes what is gone,
// belongs to another user, or never existed.

func (l *lockstepHistory) odd(label string) bool {
	return rapid.IntRange(0, 15).Draw(l.t, label+" is odd") == 15
}

func pick[T any](l *lockstepHistory, label string, of []T) T {
	return of[rapid.IntRange(0, len(of)-1).Draw(l.t, label)]
}

func (l *lockstepHistory) someUser(label string) user.ID {
	if l.odd(label) {
		// Ids that can exist must not belong to another history.
		n := user.ID(strings.Trim(l.tag, "q"))
		return pick(l, label, []user.ID{
			"stranger " + user.ID(l.tag), "0" + n, "-" + n, "9999999999999999999" + n, "", "NUL \x00", "no UTF-8 \xff",
			user.ID(strings.Repeat("x", user.MaxIDLength+1)),
		})
	}
	return pick(l, label, l.everybody())
}

// someAccount is usually a built-in account, and sometimes an erased one or another user.
func (l *lockstepHistory) someAccount() user.ID {
	if len(l.accounts) == 0 || l.odd("account") {
		return l.someUser("account")
	}
	return pick(l, "account", l.accounts)
}

func (l *lockstepHistory) someCopy() chat.Copy { return l.someCopyOf(0) }

// someCopyOf is a copy of one kind, or of either kind if it is 0.
func (l *lockstepHistory) someCopyOf(k chat.Kind) chat.Copy {
	from := slices.DeleteFunc(l.lasting(), func(c chat.Copy) bool { return k != 0 && c.Kind != k })
	if len(from) > 0 && !l.odd("copy") {
		return pick(l, "copy", from)
	}
	c := pick(l, "copy", l.copies).Copy
	switch rapid.IntRange(0, 4).Draw(l.t, "oddity") {
	case 1:
		c.Owner = l.someUser("owner")
	case 2:
		c.Kind = pick(l, "kind", []chat.Kind{chat.OneToOne, chat.Group, 0, 3})
	case 3:
		c.ID = pick(l, "id", []int64{0, -1, 1 << 40, math.MaxInt64, math.MinInt64})
	}
	return c
}

func (l *lockstepHistory) someMessage(c chat.Copy) int64 {
	shown, err := l.reference.Messages(l.ctx, []chat.Copy{c}, everything())
	if err != nil {
		l.fail("the reference does not know its messages: %v", err)
	}
	if len(shown[0]) > 0 && !l.odd("message") {
		return pick(l, "message", shown[0]).ID
	}
	if len(l.messages) == 0 || l.odd("id") {
		return pick(l, "id", []int64{0, -1, 1 << 40, math.MaxInt64, math.MinInt64})
	}
	return pick(l, "message", l.messages)
}

func (l *lockstepHistory) someMember(c chat.Copy) int64 {
	var from []int64
	for _, other := range l.copies {
		if slices.ContainsFunc(l.copies, func(k knownCopy) bool { return k.Copy == c && k.conversation == other.conversation }) {
			from = append(from, other.ID)
		}
	}
	if len(from) == 0 || l.odd("member") {
		return l.someCopy().ID
	}
	return pick(l, "member", from)
}

func (l *lockstepHistory) someText() string {
	if l.odd("text") {
		return pick(l, "text", []string{"NUL \x00", "no UTF-8 \xff", "", `"five"\`, "%_?$1{events}"})
	}
	return pick(l, "text", []string{"one", "two", "drei 🧗", " four\n"})
}

func (l *lockstepHistory) someClientID() string {
	if l.odd("client id") {
		return pick(l, "client id", []string{"NUL \x00", "no UTF-8 \xff", "%_?$1{events}"})
	}
	return pick(l, "client id", []string{"", "", "a", "b", "a ", "A"})
}

func (l *lockstepHistory) someLimit() int {
	return pick(l, "limit", []int{4, 3, 1000, math.MaxInt32, math.MaxInt, 0, 1})
}

// nothing is the result of an act that returns only an error.
type nothing = struct{}

func (l *lockstepHistory) plain(what string, do func(side) error) bool {
	l.t.Helper()
	_, done := together(l, what, same1[nothing], nil, func(s side) (nothing, error) { return nothing{}, do(s) })
	return done
}

func (l *lockstepHistory) addCopy(c chat.Copy, conversation int64) {
	if !slices.ContainsFunc(l.copies, func(k knownCopy) bool { return k.Copy == c }) {
		l.copies = append(l.copies, knownCopy{c, conversation})
	}
}

func (l *lockstepHistory) openChat(owner, other user.ID) {
	together(l, fmt.Sprintf("%s opens a chat with %s", l.short(owner), l.short(other)),
		func(c [2]chat.Chat) [2]chat.Chat { return [2]chat.Chat{l.chat(c[0]), l.chat(c[1])} },
		func(want, got [2]chat.Chat) {
			for i := range want {
				l.learn(copyID, want[i].ID, got[i].ID)
				l.learn(conversationID, want[i].Conversation, got[i].Conversation)
				l.addCopy(want[i].Copy(), want[i].Conversation)
			}
		},
		func(s side) (c [2]chat.Chat, err error) {
			c[0], c[1], err = s.OpenChat(l.ctx, s.theirUser(owner), s.theirUser(other))
			return c, err
		})
}

// createdGroup is the result of CreateGroup.
type createdGroup struct {
	group.Group
	own group.Copy
}

func (l *lockstepHistory) createGroup(creator user.ID, description string) {
	d := group.Draft{Title: "Climbing", Description: description}
	together(l, fmt.Sprintf("%s creates a group", l.short(creator)),
		func(c createdGroup) createdGroup { return createdGroup{l.group(c.Group), l.groupCopy(c.own)} },
		func(want, got createdGroup) {
			l.learn(conversationID, want.ID, got.ID)
			l.learn(copyID, want.own.ID, got.own.ID)
			l.addCopy(want.own.Copy(), want.ID)
		},
		func(s side) (c createdGroup, err error) {
			c.Group, c.own, err = s.CreateGroup(l.ctx, s.theirUser(creator), d)
			return c, err
		})
}

func (l *lockstepHistory) send(c chat.Copy, content, clientID string) {
	d := chat.Draft{Content: content, ClientID: clientID}
	together(l, fmt.Sprintf("%s sends %q as %q", l.shortCopy(c), content, clientID), l.message,
		func(want, got chat.Message) {
			l.learn(messageID, want.ID, got.ID)
			if !slices.Contains(l.messages, want.ID) {
				l.messages = append(l.messages, want.ID)
			}
		},
		func(s side) (chat.Message, error) { return s.AppendMessage(l.ctx, s.theirCopy(c), d) })
}

func (l *lockstepHistory) edit(c chat.Copy, id int64, content string) {
	together(l, fmt.Sprintf("%s edits %s to %q", l.shortCopy(c), l.shortMessage(id), content), l.message, nil,
		func(s side) (chat.Message, error) {
			return s.EditMessage(l.ctx, s.theirCopy(c), s.theirs(messageID, id), content)
		})
}

func (l *lockstepHistory) onMessage(does string, do func(side, context.Context, chat.Copy, int64) error) {
	c := l.someCopy()
	id := l.someMessage(c)
	l.plain(fmt.Sprintf("%s %s %s", l.shortCopy(c), does, l.shortMessage(id)), func(s side) error {
		return do(s, l.ctx, s.theirCopy(c), s.theirs(messageID, id))
	})
}

func (l *lockstepHistory) onCopy(does string, do func(side, context.Context, chat.Copy) error) {
	c := l.someCopy()
	l.plain(fmt.Sprintf("%s %s", l.shortCopy(c), does), func(s side) error { return do(s, l.ctx, s.theirCopy(c)) })
}

func (l *lockstepHistory) archive() {
	c, archived := l.someCopy(), rapid.Bool().Draw(l.t, "archived")
	l.plain(fmt.Sprintf("%s is archived: %v", l.shortCopy(c), archived), func(s side) error {
		return s.ArchiveCopy(l.ctx, s.theirCopy(c), archived)
	})
}

func (l *lockstepHistory) read() {
	c := l.someCopy()
	id := l.someMessage(c)
	read := side.ReadMessage
	if (c.Kind == chat.Group) != l.odd("way to read") {
		read = side.ReadThrough
	}
	together(l, fmt.Sprintf("%s reads %s", l.shortCopy(c), l.shortMessage(id)), l.message, nil,
		func(s side) (chat.Message, error) { return read(s, l.ctx, s.theirCopy(c), s.theirs(messageID, id)) })
}

func (l *lockstepHistory) mark() {
	c := l.someCopy()
	id := l.someMessage(c)
	together(l, fmt.Sprintf("%s marks %s", l.shortCopy(c), l.shortMessage(id)), l.notification, nil,
		func(s side) (notify.Notification, error) {
			return s.MarkNotification(l.ctx, s.theirCopy(c), s.theirs(messageID, id))
		})
}

func (l *lockstepHistory) addMember(c chat.Copy, u user.ID, limit int) {
	together(l, fmt.Sprintf("%s adds %s, of at most %d", l.shortCopy(c), l.short(u), limit), l.member,
		func(want, got group.Member) {
			l.learn(copyID, want.ID, got.ID)
			l.addCopy(memberCopy(want), want.Group)
		},
		func(s side) (group.Member, error) {
			return s.AddMember(l.ctx, s.theirCopy(c), s.theirUser(u), limit)
		})
}

func (l *lockstepHistory) removeMember() {
	c := l.someCopyOf(chat.Group)
	member := l.someMember(c)
	l.plain(fmt.Sprintf("%s removes member %d", l.shortCopy(c), l.shortMember(member)), func(s side) error {
		return s.RemoveMember(l.ctx, s.theirCopy(c), s.theirs(copyID, member))
	})
}

func (l *lockstepHistory) shortMember(id int64) int {
	return slices.IndexFunc(l.copies, func(k knownCopy) bool { return k.ID == id })
}

func (l *lockstepHistory) setAdmin() {
	c, admin := l.someCopyOf(chat.Group), rapid.Bool().Draw(l.t, "admin")
	member := l.someMember(c)
	together(l, fmt.Sprintf("%s makes member %d an admin: %v", l.shortCopy(c), l.shortMember(member), admin), l.member, nil,
		func(s side) (group.Member, error) {
			return s.SetAdmin(l.ctx, s.theirCopy(c), s.theirs(copyID, member), admin)
		})
}

func (l *lockstepHistory) optional(label string, values ...string) *string {
	if rapid.Bool().Draw(l.t, label+" stays") {
		return nil
	}
	return new(pick(l, label, values))
}

func (l *lockstepHistory) updateGroup() {
	c := l.someCopyOf(chat.Group)
	u := group.Update{
		Title: l.optional("title", "Bouldering", "Climbing", "NUL \x00"), Description: l.optional("description", "", "Walls", "\xff"), Image: l.optional("image", "", "/a.png"),
	}
	together(l, fmt.Sprintf("%s updates the group", l.shortCopy(c)), l.group, nil,
		func(s side) (group.Group, error) { return s.UpdateGroup(l.ctx, s.theirCopy(c), u) })
}

// removeGroup and erase end so much that they are rare.
func (l *lockstepHistory) removeGroup() {
	c := l.someCopyOf(chat.Group)
	if rapid.IntRange(0, 1).Draw(l.t, "really") == 1 {
		l.plain(fmt.Sprintf("%s removes the group", l.shortCopy(c)), func(s side) error { return s.RemoveGroup(l.ctx, s.theirCopy(c)) })
	}
}

func (l *lockstepHistory) erase() {
	u := l.someUser("whom")
	switch rapid.IntRange(0, 3).Draw(l.t, "really") {
	case 1:
		l.plain(fmt.Sprintf("%s is erased", l.short(u)), func(s side) error { return s.EraseUser(l.ctx, s.theirUser(u)) })
	case 2:
		version := l.someVersion(u)
		l.plain(fmt.Sprintf("%s is erased with password %d", l.short(u), version), func(s side) error {
			return s.EraseVerified(l.ctx, s.theirUser(u), version)
		})
	}
}

// purge runs all upkeep on both stores. Each store may need another number of steps.
func (l *lockstepHistory) purge() {
	keep := pick(l, "keep", []time.Duration{lifetime, 0, time.Minute, time.Hour, 1 << 62, -time.Hour})
	step := pick(l, "step", []int{100, 1, 3, 1 << 20, math.MaxInt})
	l.plain(fmt.Sprintf("everything is purged that is older than %v, %d at a time", keep, step), func(s side) error {
		for range 10_000 {
			if n, err := s.Purge(l.ctx, keep, step); err != nil || n == 0 {
				return err
			}
		}
		return fmt.Errorf("the purge never says that nothing is left")
	})
}

// The functions below act on built-in accounts.

// registered is the result of CreateUser.
type registered struct {
	user.User
	phone user.Phone
}

func (l *lockstepHistory) someName(label string) string {
	return pick(l, label, []string{"ada", "ADA", "bob", "Öz", "O\u0308z", "carl.1"}) + "." + l.tag
}

func (l *lockstepHistory) somePhone() user.Phone {
	number := "1000" + strings.Trim(l.tag, "q") + pick(l, "number", []string{"01", "02", "03"})
	return user.Phone{CountryCode: pick(l, "country", []string{"1", "49"}), Number: number}
}

func (l *lockstepHistory) someHash() string { return pick(l, "hash", []string{"one", "two"}) }

func (l *lockstepHistory) register() {
	a := user.Account{
		Username: l.someName("username"), Email: l.someName("email") + "@example.org",
		FirstName: pick(l, "first name", []string{"Ada", "Bob", "100%", "Öz", "\xff"}), LastName: l.tag, PasswordHash: l.someHash(), Phone: l.somePhone(),
	}
	together(l, fmt.Sprintf("%+v registers", a),
		func(r registered) registered { return registered{l.account(r.User), l.phone(r.phone)} },
		func(want, got registered) {
			l.learnUser(want.User, got.User)
			l.accounts = append(l.accounts, want.ID)
			l.learnPhone(want.phone, got.phone)
		},
		func(s side) (r registered, err error) {
			r.User, r.phone, err = s.CreateUser(l.ctx, a)
			return r, err
		})
}

func (l *lockstepHistory) learnPhone(want, got user.Phone) {
	l.learn(phoneID, want.ID, got.ID)
	l.phones = append(l.phones, want.ID)
}

func (l *lockstepHistory) updateUser() {
	u := l.someAccount()
	up := user.Update{
		FirstName: l.optional("first name", "Ada", "Bob", "ada"), Bio: l.optional("bio", "", "Hello", "\xff"), Picture: l.optional("picture", "", "/a.png"),
	}
	together(l, fmt.Sprintf("%s is updated", l.short(u)), l.account, nil,
		func(s side) (user.User, error) { return s.UpdateUser(l.ctx, s.theirUser(u), up) })
}

func (l *lockstepHistory) setPassword() {
	u, from, to := l.someAccount(), l.someHash(), l.someHash()
	l.plain(fmt.Sprintf("the password of %s is set, from %s to %s", l.short(u), from, to), func(s side) error {
		return s.SetPassword(l.ctx, s.theirUser(u), from, to)
	})
}

func (l *lockstepHistory) replaceHash() {
	u, from, to := l.someAccount(), l.someHash(), l.someHash()
	l.plain(fmt.Sprintf("the hash of %s is replaced, from %s to %s", l.short(u), from, to), func(s side) error {
		return s.ReplaceHash(l.ctx, s.theirUser(u), from, to)
	})
}

func (l *lockstepHistory) addPhone() {
	u, p, limit := l.someAccount(), l.somePhone(), l.someLimit()
	together(l, fmt.Sprintf("%s adds the phone number %v, of at most %d", l.short(u), p, limit), l.phone, l.learnPhone,
		func(s side) (user.Phone, error) { return s.AddPhone(l.ctx, s.theirUser(u), p, limit) })
}

func (l *lockstepHistory) removePhone() {
	u, id := l.someAccount(), int64(1<<40)
	if len(l.phones) > 0 {
		id = pick(l, "phone", l.phones)
	}
	l.plain(fmt.Sprintf("%s removes phone number #%d", l.short(u), slices.Index(l.phones, id)), func(s side) error {
		return s.RemovePhone(l.ctx, s.theirUser(u), s.theirs(phoneID, id))
	})
}

// The functions below act on sessions. A refresh token is identified by its number.

func (l *lockstepHistory) refreshHash(n int) []byte { return hashed(fmt.Sprint(l.tag, n)) }

func (l *lockstepHistory) newToken() int {
	l.tokens++
	return l.tokens
}

// someToken is usually one of the newest tokens, and sometimes one that never existed.
func (l *lockstepHistory) someToken() int {
	return max(0, l.tokens-rapid.IntRange(0, 5).Draw(l.t, "token"))
}

func (l *lockstepHistory) someLife() time.Duration {
	return pick(l, "life", []time.Duration{lifetime, time.Minute, time.Hour, 0})
}

// someVersion is usually the current version of the user's password.
func (l *lockstepHistory) someVersion(u user.ID) int64 {
	c, err := l.reference.Credentials(l.ctx, u)
	if err != nil || l.odd("version") {
		return int64(rapid.IntRange(0, 3).Draw(l.t, "version"))
	}
	return c.User.PasswordVersion
}

func (l *lockstepHistory) logIn() {
	u, n := l.someAccount(), l.newToken()
	in := token.Login{
		Session:         token.Session{ID: sessionID(fmt.Sprint(l.tag, n)), User: u, Began: l.now},
		PasswordVersion: l.someVersion(u), Refresh: l.refreshHash(n), Expires: l.now.Add(l.someLife()), Until: l.now.Add(l.someLife()),
	}
	if l.plain(fmt.Sprintf("%s logs in with password %d, and gets token %d", l.short(u), in.PasswordVersion, n), func(s side) error {
		own := in
		own.Session.User = s.theirUser(u)
		return s.CreateSession(l.ctx, own)
	}) {
		l.sessions = append(l.sessions, knownSession{in.Session.ID, u})
	}
}

func (l *lockstepHistory) session(in token.Session) token.Session {
	in.User = l.user(in.User)
	return in
}

func (l *lockstepHistory) refresh() {
	spent, next := l.someToken(), l.newToken()
	r := token.Rotation{
		Spent: l.refreshHash(spent), Next: l.refreshHash(next), Now: l.now, Expires: l.now.Add(l.someLife()), Until: l.now.Add(l.someLife()), Grace: grace,
	}
	together(l, fmt.Sprintf("token %d is spent for token %d", spent, next), l.session, nil,
		func(s side) (token.Session, error) { return s.RotateRefresh(l.ctx, r) })
}

func (l *lockstepHistory) revoke() {
	n := l.someToken()
	together(l, fmt.Sprintf("token %d is revoked", n), l.session, nil,
		func(s side) (token.Session, error) { return s.RevokeRefresh(l.ctx, l.refreshHash(n), l.now) })
}

func (l *lockstepHistory) endSession() {
	u, id := l.someAccount(), pick(l, "session", []string{"", "a foreign session", "\x00"})
	if len(l.sessions) > 0 && !l.odd("session") {
		in := pick(l, "session", l.sessions)
		id = in.id
		if !l.odd("owner") {
			u = in.owner
		}
	}
	l.plain(fmt.Sprintf("%s ends the session %q", l.short(u), id), func(s side) error { return s.EndSession(l.ctx, s.theirUser(u), id) })
}

func (l *lockstepHistory) purgeSessions() {
	l.plain("sessions are purged", func(s side) error {
		for range 10_000 {
			if n, err := s.PurgeSessions(l.ctx, l.now, 2); err != nil || n == 0 {
				return err
			}
		}
		return fmt.Errorf("the purge of sessions never says that nothing is left")
	})
}

// checkPosition checks the position of a record that was written, or of one that never was.
func (l *lockstepHistory) checkPosition() {
	r := pick(l, "record", l.records)
	wrong := pick(l, "oddity", []func(*twinRecord){
		func(*twinRecord) {},
		func(r *twinRecord) { r.reference.Nonce++; r.tested.Nonce++ },
		func(r *twinRecord) { r.reference.ID, r.tested.ID = 1<<40, 1<<40 },
		func(r *twinRecord) { r.reference.ID, r.tested.ID = 0, 0 },
		func(r *twinRecord) { r.reference.ID, r.tested.ID = math.MinInt64, math.MinInt64 },
	})
	wrong(&r)
	l.plain("a position is checked", func(s side) error { return s.CheckPosition(l.ctx, s.theirRecord(r).Position) })
}
