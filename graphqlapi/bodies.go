package graphqlapi

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/buddychat/buddychat/internal/throttle"
)

const (
	defaultBodiesPerAddress = 100
	defaultBodyMemory       = 64 << 20
	defaultBodyTimeout      = 10 * time.Second
	// freeBodyBytes of each body are not counted, so that requests of ordinary size are accepted,
	// however much the bodies of other clients hold.
	freeBodyBytes = 16 << 10
	// lingerTimeout is how long the HTTP server may take to read and discard a body that the
	// handler did not read.
	lingerTimeout = time.Second
)

// bodies bounds request bodies that are still arriving: how many are read at once for one address,
// how many bytes all of them hold, and how long each may take. Sockets have their own bounds.
type bodies struct {
	perAddress *throttle.Gauge
	most       int64        // bytes that all bodies together may hold
	held       atomic.Int64 // bytes held, without freeBodyBytes of each body
	timeout    time.Duration
}

func newBodies(o *Options) *bodies {
	b := &bodies{most: o.MaxBodyMemory, timeout: o.BodyTimeout}
	if !o.Throttle.Off {
		b.perAddress = throttle.NewGauge(o.MaxBodiesPerAddress)
	}
	return b
}

// A body is the body of one request.
type body struct {
	all      *bodies
	deadline func(time.Time) error // sets the read deadline of the connection; may be unsupported
	hasBody  bool
	read     bool  // up to its end
	size     int64 // bytes read
	held     int64 // bytes counted in bodies.held
}

// begin starts the timeout of a body. It must be called first, also for bodies that the handler
// never reads: net/http then reads up to 256 KiB of the body itself, without a timeout.
func (b *bodies) begin(w http.ResponseWriter, r *http.Request) *body {
	one := &body{all: b, deadline: http.NewResponseController(w).SetReadDeadline, hasBody: r.ContentLength != 0}
	if one.hasBody {
		_ = one.deadline(time.Now().Add(b.timeout))
	}
	return one
}

// end gives net/http lingerTimeout to discard a body that was not read.
func (b *body) end() {
	if b.hasBody && !b.read {
		_ = b.deadline(time.Now().Add(lingerTimeout))
	}
}

var errBodyMemory = errors.New("the unfinished bodies hold too many bytes")

// readAll reads the body, at most maxBody bytes. Its errors are of type [*refusal].
func (b *body) readAll(w http.ResponseWriter, r *http.Request, l *limits) ([]byte, error) {
	address := l.addressOf(r)
	if !b.all.perAddress.Acquire(address) {
		w.Header().Set("Connection", "close")
		return nil, l.over("1", "too many unfinished requests from this address: finish one first")
	}
	defer b.all.perAddress.Release(address)
	defer func() { b.all.held.Add(-b.held) }()
	data, err := io.ReadAll(heldReader{b, http.MaxBytesReader(w, r.Body, maxBody)})
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, malformed(http.StatusRequestEntityTooLarge, "the body has more than %d bytes: send a shorter request", maxBody)
	case errors.Is(err, errBodyMemory):
		w.Header().Set("Connection", "close")
		return nil, l.over("1", "the server is receiving too many bytes at once: try again in 1 s")
	case errors.Is(err, os.ErrDeadlineExceeded):
		w.Header().Set("Connection", "close")
		return nil, malformed(http.StatusRequestTimeout, "the body did not arrive within %v", b.all.timeout)
	case err != nil:
		return nil, malformed(http.StatusBadRequest, "the connection ended before the body was complete")
	}
	// The deadline belongs to the connection. Servers other than net/http would keep it for the
	// next request.
	if b.read = true; b.hasBody {
		_ = b.deadline(time.Time{})
	}
	return data, nil
}

// A heldReader adds the bytes that it reads to the total that all bodies hold.
type heldReader struct {
	*body
	from io.Reader
}

func (r heldReader) Read(p []byte) (int, error) {
	n, err := r.from.Read(p)
	r.size += int64(n)
	more := max(0, r.size-freeBodyBytes) - r.held
	r.held += more
	if more > 0 && r.all.held.Add(more) > r.all.most {
		return 0, errBodyMemory
	}
	return n, err
}
