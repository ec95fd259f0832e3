package main

import (
	"context"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
)

// A group has smallestGroup to largestGroup users. Half of them stay and write. The others come and
// go.
const (
	smallestGroup = 3
	largestGroup  = 8
	// setUpAtOnce is how many users are created at the same time. Hashing a password keeps a CPU
	// busy.
	setUpAtOnce = 8
)

// A world holds the users and who writes to whom.
type world struct {
	api    *api
	people []*person

	mu            sync.Mutex
	conversations []*conversation
}

// A person is a user.
type person struct {
	name, id, token string
	cursor          string // from before the first event
	writes          []*writer
}

// A conversation is a chat or a group.
type conversation struct {
	owner   *person // a member from first to last
	copy    string  // the id of the owner's copy
	group   string  // the id of the group, "" for a chat
	writers []*writer
	guests  []*person // who come and go

	mu      sync.Mutex
	members map[string]string // user ids by membership id
}

// A writer is a person in one conversation, of which they stay a member.
type writer struct {
	person *person
	group  bool
	copy   string
	sent   []string // the confirmed messages, in order
}

func (c *conversation) learn(membership, user string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if user != "" {
		c.members[membership] = user
	}
}

// setUp creates the users, a chat between each user and the next, and groups.
func setUp(ctx context.Context, a *api, users int) (*world, error) {
	w := &world{api: a}
	run := strings.ToLower(rand.Text()[:10])
	numbers := mathrand.Int64N(1e8) * 1e6 // phone numbers, which must be unique
	for i := range users {
		w.people = append(w.people, &person{name: fmt.Sprintf("%s-%d", run, i)})
	}
	all, within := errgroup.WithContext(ctx)
	all.SetLimit(setUpAtOnce)
	for i, p := range w.people {
		all.Go(func() error { return w.register(within, p, fmt.Sprintf("%014d", numbers+int64(i))) })
	}
	if err := all.Wait(); err != nil {
		return nil, err
	}
	all, within = errgroup.WithContext(ctx)
	all.SetLimit(setUpAtOnce)
	for i, p := range w.people {
		all.Go(func() error { return w.openChat(within, p, w.people[(i+1)%users]) })
	}
	for rest := w.people; len(rest) > 0; {
		size := min(largestGroup, len(rest))
		if len(rest)-size < smallestGroup {
			size = len(rest)
		}
		members := rest[:size]
		rest = rest[size:]
		all.Go(func() error { return w.openGroup(within, members) })
	}
	if err := all.Wait(); err != nil {
		return nil, err
	}
	for _, c := range w.conversations {
		for _, writer := range c.writers {
			writer.person.writes = append(writer.person.writes, writer)
		}
	}
	return w, nil
}

func (w *world) register(ctx context.Context, p *person, number string) error {
	password := rand.Text()
	var made struct {
		CreateUser struct{ User struct{ ID string } }
	}
	err := w.api.ask(ctx, "", `mutation($name: String!, $email: String!, $password: String!, $number: String!) {
		createUser(username: $name, email: $email, password: $password, firstName: "Some", lastName: "Body", phoneNumber: {countryCode: "999", number: $number}) {
			user { id } } }`,
		map[string]any{"name": p.name, "email": p.name + "@example.com", "password": password, "number": number}, &made)
	if err != nil {
		return err
	}
	var in struct{ Login struct{ Token string } }
	err = w.api.ask(ctx, "", `mutation($name: String!, $password: String!) { login(username: $name, password: $password) { token } }`,
		map[string]any{"name": p.name, "password": password}, &in)
	if err != nil {
		return err
	}
	p.id, p.token = made.CreateUser.User.ID, in.Login.Token
	var now struct{ EventCursor string }
	err = w.api.ask(ctx, p.token, `{ eventCursor }`, nil, &now)
	p.cursor = now.EventCursor
	return err
}

func (w *world) openChat(ctx context.Context, one, other *person) error {
	var made struct {
		CreateChat struct{ Chat, OtherChat struct{ ID string } }
	}
	err := w.api.ask(ctx, one.token, `mutation($other: ID!) { createChat(otherUserId: $other) { chat { id } otherChat { id } } }`,
		map[string]any{"other": other.id}, &made)
	if err != nil {
		return err
	}
	mine, theirs := made.CreateChat.Chat.ID, made.CreateChat.OtherChat.ID
	w.add(&conversation{owner: one, copy: mine, writers: []*writer{{person: one, copy: mine}, {person: other, copy: theirs}}})
	return nil
}

// openGroup creates a group with the first half of these people as members and the rest as guests.
func (w *world) openGroup(ctx context.Context, people []*person) error {
	owner, stay := people[0], max(2, len(people)/2)
	var made struct {
		CreateGroup struct {
			UserGroup, GroupCopy struct{ ID string }
		}
	}
	err := w.api.ask(ctx, owner.token, `mutation { createGroup(title: "A group") { userGroup { id } groupCopy { id } } }`, nil, &made)
	if err != nil {
		return err
	}
	c := &conversation{
		owner: owner, copy: made.CreateGroup.GroupCopy.ID, group: made.CreateGroup.UserGroup.ID, guests: people[stay:], members: map[string]string{},
	}
	c.writers = []*writer{{person: owner, group: true, copy: c.copy}}
	for _, p := range people[1:stay] {
		if err := w.join(ctx, c, p); err != nil {
			return err
		}
		copy, err := w.copyOf(ctx, c, p)
		if err != nil {
			return err
		}
		c.writers = append(c.writers, &writer{person: p, group: true, copy: copy})
	}
	w.add(c)
	return nil
}

func (w *world) add(c *conversation) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conversations = append(w.conversations, c)
}

// join adds a person to a group. It is no error if they are already a member.
func (w *world) join(ctx context.Context, c *conversation, p *person) error {
	err := w.api.ask(ctx, c.owner.token, `mutation($copy: ID!, $user: ID!) { createGroupMember(groupCopyId: $copy, memberId: $user) { groupMember { id } } }`,
		map[string]any{"copy": c.copy, "user": p.id}, &struct{}{})
	if refused(err) {
		return nil
	}
	return err
}

// copyOf returns the id of a person's copy of a group, or "" if they are not a member.
func (w *world) copyOf(ctx context.Context, c *conversation, p *person) (string, error) {
	var all struct {
		Groups struct {
			Nodes []struct {
				ID     string
				Member struct{ Group struct{ ID string } }
			}
		}
	}
	err := w.api.ask(ctx, p.token, `{ groups(first: 100) { nodes { id member { group { id } } } } }`, nil, &all)
	for _, n := range all.Groups.Nodes {
		if n.Member.Group.ID == c.group {
			return n.ID, nil
		}
	}
	return "", err
}

// membership returns the id of a person's membership, or "" if they are not a member.
func (w *world) membership(ctx context.Context, c *conversation, p *person) (string, error) {
	var now struct {
		Group struct {
			Member struct {
				Group struct {
					Members struct {
						Nodes []struct {
							ID   string
							User struct{ ID string }
						}
					}
				}
			}
		}
	}
	err := w.api.ask(ctx, c.owner.token, `query($copy: ID!) { group(id: $copy) { member { group { members(first: 100) { nodes { id user { id } } } } } } }`,
		map[string]any{"copy": c.copy}, &now)
	found := ""
	for _, n := range now.Group.Member.Group.Members.Nodes {
		c.learn(n.ID, n.User.ID)
		if n.User.ID == p.id {
			found = n.ID
		}
	}
	return found, err
}
