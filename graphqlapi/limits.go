package graphqlapi

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/buddychat/buddychat/internal/gqldoc"
	"github.com/buddychat/buddychat/internal/throttle"
)

// limits bounds the rate of operations and the number of open sockets. If the host turns throttling
// off, every bound is nil.
type limits struct {
	rate                *throttle.Limiter
	perAddress, perUser *throttle.Gauge // numbers of sockets
	proxies             throttle.Proxies
	status              int // HTTP status for exceeded limits
}

func newLimits(o *Options) (*limits, error) {
	l := &limits{
		proxies: throttle.Proxies{Hops: o.Proxies},
		status:  cmp.Or(o.Throttle.Status, http.StatusForbidden),
	}
	if o.Throttle.Off {
		return l, nil
	}
	l.perAddress = throttle.NewGauge(o.MaxSocketsPerAddress)
	l.perUser = throttle.NewGauge(o.MaxSocketsPerUser)
	var err error
	rates := o.Throttle.Limits
	l.rate, err = throttle.New(&throttle.Options{
		User:         throttle.Limit(rates.User),
		Address:      throttle.Limit(rates.Address),
		LoginAddress: throttle.Limit(rates.LoginAddress),
		LoginAccount: throttle.Limit(rates.LoginAccount),
		Password:     throttle.Limit(rates.Password),
		CreateUser:   throttle.Limit(rates.CreateUser),
		RefreshToken: throttle.Limit(rates.RefreshToken),

		UserMutation:    throttle.Limit(rates.User),
		AddressMutation: throttle.Limit(rates.Address),
		AddPhoneNumber:  throttle.Limit(rates.AddPhoneNumber),
		LoginStrangers:  throttle.Limit(rates.LoginStrangers),
		LoginTries:      throttle.Limit(rates.LoginTries),
		Deliveries:      throttle.Limit(rates.Deliveries),
		Messages:        quota(o.Throttle.Quotas.Messages),
		Groups:          quota(o.Throttle.Quotas.Groups),
		Adds:            quota(o.Throttle.Quotas.Adds),
	})
	return l, err
}

// quota converts a daily quota of Options: negative is unlimited, and 0 is the default.
func quota(n int) throttle.Limit {
	switch {
	case n < 0:
		return throttle.Unlimited()
	case n == 0:
		return throttle.Limit{}
	}
	return throttle.PerDay(n)
}

// addressOf returns the key of the client's address for the limits.
func (l *limits) addressOf(r *http.Request) string {
	return throttle.AddressKey(l.proxies.ClientAddress(r))
}

// admit charges an operation, counted by its root fields, to its user or address. It returns a
// [*refusal] if a limit is exceeded.
func (l *limits) admit(doc *gqldoc.Document, v viewer, address string) error {
	if retry, ok := l.take(doc, v, address); !ok {
		after := throttle.RetryAfter(retry)
		return l.over(after, fmt.Sprintf("too many requests: try again in %s s", after))
	}
	// Quotas come last, so that a request over a rate limit does not use them up.
	if retry, ok := l.rate.Take(quotaCharges(doc, v)...); !ok {
		after := throttle.RetryAfter(retry)
		return l.over(after, fmt.Sprintf("the quota for one day is used up: try again in %s s", after))
	}
	return nil
}

// over returns the refusal for an exceeded limit. retry is the value of the Retry-After header.
func (l *limits) over(retry, message string) *refusal {
	return &refusal{
		status: l.status,
		plain:  l.status,
		retry:  retry,
		errors: []responseError{listed(&wireError{code: codeThrottled, message: message})},
	}
}

// take charges the rates of an operation.
func (l *limits) take(doc *gqldoc.Document, v viewer, address string) (retry time.Duration, ok bool) {
	list := charges(doc, v, address)
	for _, field := range doc.RootFields {
		if doc.Operation == gqldoc.Mutation && field.Name == "login" {
			// an operation without it fails validation later
			name, _ := field.StringArgument("username")
			return l.rate.TakeLogin(name, address, list...) // an operation has at most one login
		}
	}
	return l.rate.Take(list...)
}

// awaitDelivery charges a delivery of the typed subscription, and waits until the rate allows it.
func (l *limits) awaitDelivery(ctx context.Context, v viewer, cost int) {
	wait := l.rate.Reserve(throttle.Charge{Class: throttle.Deliveries, Key: string(v.User), N: cost})
	if wait == 0 {
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func charges(doc *gqldoc.Document, v viewer, address string) []throttle.Charge {
	byUser, byAddress := throttle.User, throttle.Address
	if doc.Operation == gqldoc.Mutation {
		byUser, byAddress = throttle.UserMutation, throttle.AddressMutation
	}
	whole := throttle.Charge{Class: byAddress, Key: address, N: len(doc.RootFields)}
	if v.known() {
		whole.Class, whole.Key = byUser, string(v.User)
	}
	list := []throttle.Charge{whole}
	if doc.Operation != gqldoc.Mutation {
		return list
	}
	for _, field := range doc.RootFields {
		switch field.Name {
		case "changePassword", "deleteUser":
			if v.known() {
				list = append(list, throttle.Charge{Class: throttle.Password, Key: string(v.User), N: 1})
			}
		case "createUser":
			list = append(list, throttle.Charge{Class: throttle.CreateUser, Key: address, N: 1})
		case "refreshToken":
			list = append(list, throttle.Charge{Class: throttle.RefreshToken, Key: address, N: 1})
		case "addPhoneNumber":
			if v.known() {
				list = append(list, throttle.Charge{Class: throttle.AddPhoneNumber, Key: string(v.User), N: 1})
			}
		}
	}
	return list
}

// quotaCharges returns what a mutation is charged against the daily quotas of its user.
func quotaCharges(doc *gqldoc.Document, v viewer) (list []throttle.Charge) {
	if doc.Operation != gqldoc.Mutation || !v.known() {
		return nil
	}
	for _, field := range doc.RootFields {
		switch field.Name {
		case "createChatMessage", "createGroupMessage":
			list = append(list, throttle.Charge{Class: throttle.Messages, Key: string(v.User), N: 1})
		case "createGroup":
			list = append(list, throttle.Charge{Class: throttle.Groups, Key: string(v.User), N: 1})
		case "createGroupMember":
			id, _ := field.StringArgument("memberId")
			if member, err := decodeUserID(id); err == nil { // an invalid id is NOT_FOUND later
				key := throttle.PairKey(string(v.User), string(member))
				list = append(list, throttle.Charge{Class: throttle.Adds, Key: key, N: 1})
			}
		}
	}
	return list
}
