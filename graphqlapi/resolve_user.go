package graphqlapi

import (
	"context"

	"github.com/graph-gophers/graphql-go"

	"github.com/buddychat/buddychat/user"
)

// userNode is a CustomUser. The private fields have methods, which check the viewer. A [load] fills
// in all other fields.
type userNode struct {
	ID                            graphql.ID
	Username, FirstName, LastName userText
	Bio                           userText
	ProfilePicture                *userText
	DateJoined                    dateTime

	r        *resolver
	who      user.ID
	profiled bool
	// created by this operation, so the caller may see the private fields without a login
	created bool
	address *userText // email address if already loaded
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

// account returns the node of a user whose account is already loaded.
func (l *load) account(u user.User) *userNode {
	n := l.user(u.ID, nil)
	n.showAccount(u, l.budget)
	return n
}

// own returns an error unless the viewer is this user.
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

var errPrivate = &wireError{code: codeForbidden, message: "this field is private: only the user can read it"}

// Email resolves CustomUser.email. It is null if the host has its own users.
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

// PhoneNumbers resolves CustomUser.phoneNumbers. The list is empty if the host has its own users.
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
