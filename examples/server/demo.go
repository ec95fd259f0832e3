package main

import (
	"bytes"
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/template"

	"github.com/buddychat/buddychat"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

//go:embed demo.txt
var demoText string

// demonstrate creates two users with a chat and a group, or finds those of an earlier run, and
// prints requests that send messages as these users.
func demonstrate(ctx context.Context, app *buddychat.App, url string, out io.Writer) error {
	d := demo{URL: url}
	var err error
	if d.Alice, err = join(ctx, app, url, "Alice", "00000001"); err != nil {
		return err
	}
	if d.Robert, err = join(ctx, app, url, "Robert", "00000002"); err != nil {
		return err
	}
	if err := d.openChat(ctx); err != nil {
		return err
	}
	if err := d.openGroup(ctx); err != nil {
		return err
	}
	text, err := template.New("demo.txt").Parse(demoText)
	if err != nil {
		return err
	}
	return text.Execute(out, d)
}

type demo struct {
	URL           string
	Alice, Robert client
	// Chat and RobertsChat are Alice's and Robert's ids of the same chat. Group is Alice's id of
	// the group.
	Chat, RobertsChat, Group string
}

// join logs in a user of the demonstration, and creates the account if it does not exist. The
// password is random and not kept: the operator who started the server gets a token instead.
func join(ctx context.Context, app *buddychat.App, url, name, number string) (client, error) {
	username := "demo." + strings.ToLower(name)
	email := strings.ToLower(name) + "@demo.invalid"
	u, _, err := app.Users.Register(ctx, user.Registration{
		Username: username, Email: email, Password: rand.Text(), FirstName: name, LastName: "Demo",
		Phone: user.Phone{CountryCode: "999", Number: number},
	})
	if errors.Is(err, storage.ErrConflict) {
		u, err = find(ctx, app, username, email)
	}
	if err != nil {
		return client{}, err
	}
	pair, err := app.Tokens.Login(ctx, u)
	if err != nil {
		return client{}, err
	}
	c := client{url: url, Username: username, Token: pair.Access}
	var me struct{ Me struct{ ID string } }
	err = c.do(ctx, &me, `{ me { id } }`, nil)
	c.ID = me.Me.ID
	return c, err
}

// find returns the account that an earlier demonstration created.
func find(ctx context.Context, app *buddychat.App, username, email string) (user.User, error) {
	found, err := app.Users.List(ctx, user.Filter{Username: username}, storage.First(1))
	if err != nil {
		return user.User{}, err
	}
	if len(found.Items) == 0 || found.Items[0].Email != email {
		return user.User{}, fmt.Errorf("the name %s, or what belongs to it, is somebody else's in this database", username)
	}
	return found.Items[0], nil
}

// openChat opens the chat of the two users, or finds the existing one.
func (d *demo) openChat(ctx context.Context) error {
	var opened struct {
		CreateChat struct{ Chat, OtherChat struct{ ID string } }
	}
	err := d.Alice.do(ctx, &opened, `mutation($other: ID!) { createChat(otherUserId: $other) { chat { id } otherChat { id } } }`,
		map[string]any{"other": d.Robert.ID})
	d.Chat, d.RobertsChat = opened.CreateChat.Chat.ID, opened.CreateChat.OtherChat.ID
	return err
}

const groupTitle = "Demo"

// openGroup finds the demonstration's group, or creates it, and adds Robert if he is not a member.
func (d *demo) openGroup(ctx context.Context) error {
	var found struct {
		Groups struct {
			Nodes []struct {
				ID     string
				Member struct {
					IsAdmin bool
					Group   struct{ Title string }
				}
			}
		}
	}
	if err := d.Alice.do(ctx, &found, `{ groups(first: 100) { nodes { id member { isAdmin group { title } } } } }`, nil); err != nil {
		return err
	}
	for _, g := range found.Groups.Nodes {
		if g.Member.IsAdmin && g.Member.Group.Title == groupTitle {
			d.Group = g.ID
		}
	}
	if d.Group == "" {
		var created struct {
			CreateGroup struct{ GroupCopy struct{ ID string } }
		}
		err := d.Alice.do(ctx, &created, `mutation($title: String!) { createGroup(title: $title) { groupCopy { id } } }`,
			map[string]any{"title": groupTitle})
		if err != nil {
			return err
		}
		d.Group = created.CreateGroup.GroupCopy.ID
	}
	err := d.Alice.do(ctx, nil, `mutation($group: ID!, $user: ID!) { createGroupMember(groupCopyId: $group, memberId: $user) { groupMember { id } } }`,
		map[string]any{"group": d.Group, "user": d.Robert.ID})
	var refused *graphQLError
	if errors.As(err, &refused) && refused.Extensions.Code == "CONFLICT" { // he is already a member
		return nil
	}
	return err
}

// A client sends GraphQL requests over HTTP as one user.
type client struct{ url, ID, Username, Token string }

type graphQLError struct {
	Message    string
	Extensions struct{ Code string }
}

func (e *graphQLError) Error() string { return fmt.Sprintf("%s (%s)", e.Message, e.Extensions.Code) }

// do runs one operation and decodes its data into data.
func (c client) do(ctx context.Context, data any, query string, variables map[string]any) error {
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+c.Token)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer := struct {
		Data   any
		Errors []graphQLError
	}{Data: data}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return fmt.Errorf("%s answers %s: %w", c.url, response.Status, err)
	}
	if len(answer.Errors) > 0 {
		return &answer.Errors[0]
	}
	return nil
}
