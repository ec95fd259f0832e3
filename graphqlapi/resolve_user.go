package graphqlapi

import (
	"context"

	"github.com/graph-gophers/graphql-go"

	"github.com/buddychat/buddychat/user"
)

// userNode is a CustomUser. What is the user's own has methods, which can refuse: everything else is filled in by a [load].
type userNode struct {
	ID                            graphql.ID
	Username, FirstName, LastName userText
	Bio                           userText
	ProfilePicture                *userText
	DateJoined                    dateTime

	r        *resolver
	who      user.ID
	profiled bool
	created  bool      // by the operation under way: nobody is logged in, and the answer is its user's
	address  *userText // the email where it is known
}

func newUserNode(r *resolver, id user.ID) *userNode {
	return &userNode{ID: graphql.ID(userID(id)), r: r, who: id}
}

func (n *userNode) show(p user.Profile, b *budget) {
	n.Username, n.FirstName, n.LastName, n.Bio = newText(p.Username, b), newText(p.FirstName, b), newText(p.LastName, b), newText(p.Bio, b)
	n.ProfilePicture, n.DateJoined, n.profiled = newText(p.Picture, b).optional(), dateTime{p.Joined}, true
	b.hold(int64(len(p.Username) + len(p.FirstName) + len(p.LastName) + len(p.Bio) + len(p.Picture)))
}

func (n *userNode) showAccount(u user.User, b *budget) {
	n.show(u.Profile, b)
	n.address = newText(u.Email, b).optional()
}

// account returns a user of whom everything is known.
func (l *load) account(u user.User) *userNode {
	n := l.user(u.ID, nil)
	n.showAccount(u, l.budget)
	return n
}

// own refuses what is the user's own to everybody else.
func (n *userNode) own(ctx context.Context) error {
	v := viewerOf(ctx)
	if n.created || v.known() && v.User == n.who {
		return nil
	}
	v.budget.hold(errorBytes) // there may be one for each entry of a page
	if !v.known() {
		return errLogin
	}
	return errPrivate
}

var errPrivate = &wireError{code: codeForbidden, message: "this is for the user alone"}

// Email resolves CustomUser.email. Where the host has its own users it is null.
func (n *userNode) Email(ctx context.Context) (*userText, error) {
	if err := n.own(ctx); err != nil {
		return nil, err
	}
	if n.address != nil || n.r.app.Users == nil {
		return n.address, nil
	}
	found, err := n.r.app.Users.Get(ctx, n.who)
	if err != nil {
		return nil, n.r.wire(ctx, err)
	}
	return newText(found[n.who].Email, budgetOf(ctx)).optional(), nil
}

// PhoneNumbers resolves CustomUser.phoneNumbers. Where the host has its own users there are none.
func (n *userNode) PhoneNumbers(ctx context.Context) (*[]*phoneNode, error) {
	if err := n.own(ctx); err != nil {
		return nil, err
	}
	phones := []*phoneNode{}
	if n.r.app.Users == nil {
		return &phones, nil
	}
	found, err := n.r.app.Users.Phones(ctx, n.who)
	if err != nil {
		return nil, n.r.wire(ctx, err)
	}
	for _, p := range found[n.who] {
		phones = append(phones, newPhoneNode(p))
	}
	return &phones, nil
}

// Chats resolves CustomUser.chats.
func (n *userNode) Chats(ctx context.Context, args chatsArgs) (*connection[chatNode], error) {
	if err := n.own(ctx); err != nil {
		return nil, err
	}
	return n.r.chats(ctx, n.who, args)
}

// Notifications resolves CustomUser.notifications.
func (n *userNode) Notifications(ctx context.Context, args notificationsArgs) (*connection[notificationNode], error) {
	if err := n.own(ctx); err != nil {
		return nil, err
	}
	return n.r.notifications(ctx, n.who, args)
}

// phoneNode is a PhoneNumber.
type phoneNode struct {
	ID                  graphql.ID
	Number, CountryCode string
}

func newPhoneNode(p user.Phone) *phoneNode {
	return &phoneNode{ID: graphql.ID(phoneID(p.ID)), Number: p.Number, CountryCode: p.CountryCode}
}
