package graphqlapi

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/buddychat/buddychat/user"
)

// Identity is who calls. The zero value is nobody.
type Identity struct {
	User user.ID
	// Session names the login, for ending it: see [github.com/buddychat/buddychat.App.EndSessions]. "" hangs on all of the user's.
	Session string
	// Expires is when the login ends by itself, and a socket with it; zero is never.
	Expires time.Time
}

// Authenticator says who calls. It must be safe for concurrent use.
type Authenticator interface {
	// Authenticate is given the request, which is the upgrade request for a socket, and the token that came with it: from the
	// header Authorization (Bearer or JWT), or for a socket from the payload of connection_init; "" where there is none.
	// A host whose middleware knows the user reads it from the request's context.
	//
	// Nobody is the zero Identity and no error. A token that is not good is [github.com/buddychat/buddychat/storage.ErrUnauthenticated]: over
	// HTTP it counts as nobody, and a socket is refused. The answer to a query tells the client in
	// extensions.authentication: "expired" where the error is [github.com/buddychat/buddychat/storage.ErrTokenExpired] as
	// well, else "invalid". Any other error fails the request.
	Authenticate(ctx context.Context, r *http.Request, token string) (Identity, error)
}

// Options has what can be set. Its zero value, and nil, are valid.
type Options struct {
	// Authenticator says who calls. Nil checks the tokens of the built-in users; it is required where the host has its own.
	Authenticator Authenticator
	// Introspection opens the schema to whoever asks.
	Introspection bool
	// Origins are the browser origins that may call from another host, each as scheme://host[:port], of any scheme:
	// https://app.example.com, capacitor://localhost. They match exactly, and a pattern with * is refused. Pages of the same
	// host always may, over http and https.
	Origins []string
	// Hosts are the names by which clients call the server, as in the Host header: a host, with a port or, for every port,
	// without. A request for another host is refused with 421, which keeps out pages that point a name of their own at the
	// server's address (DNS rebinding). A proxy in front must pass the Host header on. Nil answers for every host.
	Hosts []string
	// Throttle bounds the rates; nil is the defaults.
	Throttle *Throttle
	// Proxies is how many trusted proxies stand before the server: so many entries from the end of X-Forwarded-For are
	// theirs. 0 takes the address of the connection.
	Proxies int
	// MaxSocketsPerAddress and MaxSocketsPerUser bound the sockets; 0 is 100 and 20. One more of an address is refused with
	// the status of Throttle, and one more of a user closes with 1013, which clients take as "try again later".
	MaxSocketsPerAddress, MaxSocketsPerUser int
	// MaxBodiesPerAddress is how many requests of one address may be under way whose bodies have not arrived whole; 0 is
	// 100. One more is refused with the status of Throttle. Connections that send no request yet are the [http.Server]'s:
	// set its ReadHeaderTimeout, and bound connections by address in its listener or in a proxy.
	MaxBodiesPerAddress int
	// MaxBodyMemory is how many bytes all of these bodies may hold together, beside the first 16 KiB of
	// each; 0 is 64 MiB, and 256 KiB, the most of one body, is the least. A body that would be more is
	// refused with the status of Throttle. One of up to 16 KiB never is.
	MaxBodyMemory int64
	// BodyTimeout is how long a body may take to arrive; 0 is 10 seconds. One that takes longer is
	// refused with 408. It needs a response writer that can set a read deadline, as that of net/http
	// can, directly or behind Unwrap methods; elsewhere it is not kept.
	BodyTimeout time.Duration
	// Deadline is the longest that a query or mutation may take; 0 is 15 seconds. One that takes longer
	// is answered with code INTERNAL.
	Deadline time.Duration
	// MaxSearches is how many searches for users run at the same time; 0 is half of the processors, and
	// two at least. More wait for their turn until Deadline.
	MaxSearches int
	// MaxCost is the most points that a document may cost; 0 is 30,000. Each field costs 1, and long
	// texts, searches and counts cost more. A field of a list counts once for each entry that the page
	// may have. A document over it is refused with code QUERY_TOO_COMPLEX before anything is done.
	MaxCost int
	// MaxEventCost is MaxCost for a subscription, whose selection is resolved for each event; 0 is 500.
	// All fields of an event, without long lists, cost about 200.
	MaxEventCost int
	// MaxAnswerBytes is the most bytes of users' texts in one answer, as JSON; 0 is 8 MiB, which is more
	// than a page of 100 messages of 10,000 characters can have. They are counted while the answer is
	// made, and one that has more ends with code QUERY_TOO_COMPLEX. A host that allows longer messages
	// or pages should raise it.
	MaxAnswerBytes int
	// MaxInFlightBytes is the most memory that all answers together may take on this node, while they are made
	// and until their clients have read them; 0 is 256 MiB. One user, or one address of clients that are not
	// logged in, may take a quarter of it; small answers do not count. What is over it is answered with
	// code THROTTLED. The process needs about twice as much for the garbage collector.
	MaxInFlightBytes int
	// Logger gets what an operator should know; nil is the logger of the app.
	Logger *slog.Logger
}

// Throttle bounds rates.
type Throttle struct {
	// Off lifts every limit by rate, quota, address and number of sockets or bodies. It is for load tests.
	Off bool
	// Status is what HTTP answers over the limit: 403 or 429; 0 is 403, as documented. 429 is what new clients expect.
	Status int
	// Limits replaces single rates.
	Limits Limits
	// Quotas replaces single quotas by day.
	Quotas Quotas
}

// Quotas are how much of a kind one user may make in a day through this API, beside the rates. A user
// may use a quota up at once; it fills again evenly in the course of a day. What is over a quota is
// refused as what is over a rate, with the time to wait. 0 stands for the default, a negative number
// for no quota.
//
// Each node counts by itself and from its start, so that a user whose requests go to three nodes has
// three times the quota. The services of an application, which its own code calls, have no quotas.
type Quotas struct {
	// Messages is how many messages a user sends in a day, to chats and groups together; by default
	// 20,000.
	Messages int
	// Groups is how many groups a user creates in a day; by default 200.
	Groups int
	// Adds is how often one user adds one other to groups in a day; by default 50.
	Adds int
}

// Limits are what is let pass, counted by the root fields of operations, so that neither aliases nor many requests buy more. The zero value of each
// is the default.
type Limits struct {
	// User is for each user who is logged in; by default 50 a second with a burst of 200. Queries and
	// subscriptions have one bucket of this size, mutations another.
	User Limit
	// Address is for each address from which somebody asks who is not logged in, an IPv6 address with all of its /64; by default 20 a
	// second with a burst of 100. Queries have one bucket of this size, mutations another.
	Address Limit
	// LoginAddress is for logins from an address; by default 10 a minute with a burst of 20.
	LoginAddress Limit
	// LoginAccount is for logins to an account from one address; by default 10 a minute with a
	// burst of 10. Guesses from one address keep nobody out who is at another.
	LoginAccount Limit
	// LoginStrangers is for logins to an account from all addresses together from which it has not
	// logged in for 30 days; by default 10 a minute with a burst of 20. It slows guessing from many
	// addresses. Each node remembers addresses by itself, until it restarts.
	LoginStrangers Limit
	// LoginTries is what each of those addresses has left while LoginStrangers is used up, so that
	// the user still gets in from a new address; by default 1 a minute with a burst of 3.
	LoginTries Limit
	// Password is for what a user who is logged in confirms with the password, changePassword and deleteUser; by default 10 a minute with a
	// burst of 10.
	Password Limit
	// CreateUser is for registrations from an address; by default 10 a minute with a burst of 20.
	CreateUser Limit
	// RefreshToken is for token refreshes from an address; by default 60 a minute with a burst of 60.
	RefreshToken Limit
	// AddPhoneNumber is for the phone numbers that a user adds, since the answer tells whether a number
	// is taken; by default 20 an hour with a burst of 20.
	AddPhoneNumber Limit
	// Deliveries is for what the typed subscription, events, delivers to a user, counted by the cost of its
	// selection; by default 100,000 a second with a burst of 200,000. What is over it waits, and nothing is
	// lost: a subscription that lags too far behind is closed as any slow consumer, and resumes from its
	// cursor. One subscription of each socket is free where its selection costs at most 250.
	Deliveries Limit
}

// Limit is a rate, and the burst that it allows.
type Limit struct {
	// PerSecond is how many pass in the long run, more than none; [math.Inf] is no limit.
	PerSecond float64
	// Burst is how many pass at once after a pause, at least one.
	Burst int
}
