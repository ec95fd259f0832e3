package graphqlapi

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/buddychat/buddychat/user"
)

// Identity is the identity of a caller. The zero value is a caller who is not logged in.
type Identity struct {
	User user.ID
	// Session names the login, so that it can be ended alone: see
	// [github.com/buddychat/buddychat.App.EndSessions]. If Session is "", only ending all of the
	// user's logins ends this one.
	Session string
	// Expires is when the login ends, and any socket that uses it. Zero means never.
	Expires time.Time
}

// Authenticator identifies callers. It must be safe for concurrent use.
type Authenticator interface {
	// Authenticate identifies the caller of a request. For a socket, r is the upgrade request. The
	// token is that of the Authorization header (Bearer or JWT) or, for a socket, of the
	// connection_init payload; it is "" if there is none. If the host's middleware has
	// authenticated the user, Authenticate can read the user from the context of r.
	//
	// For a caller who is not logged in, return the zero Identity and no error. For an invalid
	// token, return [github.com/buddychat/buddychat/storage.ErrUnauthenticated]: an HTTP request
	// then counts as not logged in, and a socket is refused. The answer to a query reports the
	// reason in extensions.authentication: "expired" if the error is also
	// [github.com/buddychat/buddychat/storage.ErrTokenExpired], otherwise "invalid". Any other
	// error fails the request.
	Authenticate(ctx context.Context, r *http.Request, token string) (Identity, error)
}

// Options configures [NewHandler]. The zero value is valid.
type Options struct {
	// Authenticator identifies callers. Nil verifies the tokens of the built-in users. It is
	// required if the host has its own users.
	Authenticator Authenticator
	// Introspection allows every client to query the schema.
	Introspection bool
	// Origins are the browser origins that may call from another host, as scheme://host[:port] with
	// any scheme: https://app.example.com, capacitor://localhost. They must match exactly; patterns
	// with * are rejected. Pages of the same host may always call, over HTTP and HTTPS.
	Origins []string
	// Hosts are the names under which clients call the server, as in the Host header. A name
	// without a port matches every port. Requests for other hosts are refused with status 421,
	// which stops DNS rebinding: pages that point their own host name at the server's address. A
	// proxy in front must forward the Host header. Nil allows every host.
	Hosts []string
	// Throttle configures the rate limits and quotas. Nil means the defaults.
	Throttle *Throttle
	// Proxies is the number of trusted proxies in front of the server. Each must append the address
	// of its caller to X-Forwarded-For. 0 uses the address of the connection.
	Proxies int
	// MaxSocketsPerAddress and MaxSocketsPerUser bound the number of open sockets; 0 means 100 and
	// 20. Too many for an address are refused with the status of Throttle. Too many for a user are
	// closed with 1013, which clients treat as "try again later".
	MaxSocketsPerAddress, MaxSocketsPerUser int
	// MaxBodiesPerAddress is how many request bodies of one address may be arriving at once; 0
	// means 100. More are refused with the status of Throttle. It does not count connections that
	// have not sent a request: set ReadHeaderTimeout of the [http.Server], and bound connections by
	// address in its listener or in a proxy.
	MaxBodiesPerAddress int
	// MaxBodyMemory is how many bytes all arriving bodies may hold together, not counting the first
	// 16 KiB of each; 0 means 64 MiB. It must be at least 256 KiB, the maximum size of one body. A
	// body beyond it is refused with the status of Throttle. A body of up to 16 KiB never is.
	MaxBodyMemory int64
	// BodyTimeout is how long a body may take to arrive; 0 means 10 seconds. A request whose body
	// takes longer is refused with status 408. It applies only if the response writer supports read
	// deadlines, as that of net/http does, directly or through Unwrap methods.
	BodyTimeout time.Duration
	// Deadline is how long a query or mutation may take; 0 means 15 seconds. An operation that
	// takes longer is answered with the code INTERNAL.
	Deadline time.Duration
	// MaxSearches is how many user searches run at once. Further ones wait until their deadline. 0
	// means half the number of processors, but at least 2.
	MaxSearches int
	// MaxCost is the maximum cost of a document, in points; 0 means 30,000. Each field costs 1.
	// Long texts, searches and counts cost more. A field of a list counts once for each entry that
	// the page may have. A document beyond it is refused with the code QUERY_TOO_COMPLEX before
	// anything is executed.
	MaxCost int
	// MaxEventCost is the maximum cost of a subscription, whose selection is resolved for each
	// event; 0 means 500. All fields of an event, without long lists, cost about 200.
	MaxEventCost int
	// MaxAnswerBytes is the maximum size of all users' texts in one answer, in bytes of JSON; 0
	// means 8 MiB, which is more than a page of 100 messages of 10,000 characters can have. The
	// texts are counted while the answer is made, and an answer beyond it ends with the code
	// QUERY_TOO_COMPLEX. A host that allows longer messages or pages should raise it.
	MaxAnswerBytes int
	// MaxInFlightBytes is how much memory all answers on this node may use together, until their
	// clients have read them; 0 means 256 MiB. One user, or one address of clients that are not
	// logged in, may use a quarter of it. Small answers do not count. Operations beyond it get the
	// code THROTTLED. With garbage collection, the process needs about twice this memory.
	MaxInFlightBytes int
	// Logger receives what an operator should know. Nil is the logger of the App.
	Logger *slog.Logger
}

// Throttle configures rate limits and daily quotas.
type Throttle struct {
	// Off removes all rate limits, quotas, and limits on the number of sockets and bodies. It is
	// meant for load tests.
	Off bool
	// Status is the HTTP status for exceeded limits, 403 or 429; 0 means 403, as the API documents.
	// New clients expect 429.
	Status int
	// Limits overrides single rate limits.
	Limits Limits
	// Quotas overrides single daily quotas.
	Quotas Quotas
}

// Quotas bound how much one user may create in a day through this API, in addition to the rate
// limits. A user may use up a quota at once; it refills evenly over 24 hours. Requests beyond a
// quota are refused like those beyond a rate limit, with the time to wait. 0 means the default, and
// a negative number means no quota.
//
// Each node counts separately, starting when it starts: a user whose requests reach three nodes has
// three times the quota. Calls of the App's services from the host's code have no quotas.
type Quotas struct {
	// Messages is how many messages a user may send in a day, to chats and groups together; 0 means
	// 20,000.
	Messages int
	// Groups is how many groups a user may create in a day; 0 means 200.
	Groups int
	// Adds is how often one user may add the same other user to groups in a day; 0 means 50.
	Adds int
}

// Limits are the rate limits. They count the root fields of operations, so neither aliases nor many
// requests allow more. The zero value of each means its default.
type Limits struct {
	// User limits each logged-in user; by default 50 a second, with a burst of 400 for queries and
	// subscriptions, and of 200 for mutations. Queries and subscriptions share one bucket, and
	// mutations have another. A limit that is set here applies to each of the two.
	User Limit
	// Address limits each address of clients that are not logged in; by default 20 a second with a
	// burst of 100. An IPv6 address counts with all of its /64. Queries have one bucket, and
	// mutations another.
	Address Limit
	// LoginAddress limits logins from an address; by default 10 a minute with a burst of 20.
	LoginAddress Limit
	// LoginAccount limits logins to an account from one address; by default 10 a minute with a
	// burst of 10. Failed guesses from one address do not lock out the user at another.
	LoginAccount Limit
	// LoginStrangers limits logins to an account from all addresses from which it has not logged in
	// for 30 days; by default 10 a minute with a burst of 20. It slows down guessing from many
	// addresses. Each node remembers addresses separately, until it restarts.
	LoginStrangers Limit
	// LoginTries limits logins from each of those addresses while LoginStrangers is used up, so
	// that the user can still log in from a new address; by default 1 a minute with a burst of 3.
	LoginTries Limit
	// Password limits actions that a logged-in user confirms with the password, changePassword and
	// deleteUser; by default 10 a minute with a burst of 10.
	Password Limit
	// CreateUser limits registrations from an address; by default 10 a minute with a burst of 20.
	CreateUser Limit
	// RefreshToken limits token refreshes from an address; by default 60 a minute with a burst of
	// 60.
	RefreshToken Limit
	// AddPhoneNumber limits how many phone numbers a user adds, because the answer reveals whether
	// a number is taken; by default 20 an hour with a burst of 20.
	AddPhoneNumber Limit
	// Deliveries limits what the typed subscription, events, delivers to a user, counted by the
	// cost of its selection; by default 100,000 a second with a burst of 200,000. Deliveries beyond
	// it wait; none are lost. A subscription that lags too far behind is closed like any slow
	// consumer, and resumes from its cursor. On each socket, one subscription is exempt if its
	// selection costs at most 250.
	Deliveries Limit
}

// Limit is a rate and a burst.
type Limit struct {
	// PerSecond is the sustained rate. It must be above 0; [math.Inf](1) means no limit.
	PerSecond float64
	// Burst is how many may pass at once after a pause. It must be at least 1.
	Burst int
}
