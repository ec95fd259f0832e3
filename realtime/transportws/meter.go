package transportws

import (
	"encoding/binary"
	"math"
	"time"
)

// A frameMeter parses the headers of a client's frames as the bytes pass through. It limits the
// rate of frames that do not carry a whole message: pings, pongs, and fragments. The WebSocket
// library handles these itself, so the rate of messages does not count them. It is not safe for
// concurrent use.
type frameMeter struct {
	bucket *bucket
	header [maxHeader]byte
	have   int    // bytes of the header so far
	skip   uint64 // bytes of the payload still to come
}

const (
	maxHeader = 2 + 8 + 4 // bytes: the longest length, and a mask (RFC 6455, section 5.2)

	final       = 0x80
	opcodes     = 0x0f
	masked      = 0x80
	opText      = 0x1
	opBinary    = 0x2
	length16    = 126
	length64    = 127
	lengthsMask = 0x7f
)

func newFrameMeter(opts *Options) *frameMeter {
	return &frameMeter{bucket: newBucket(opts.FrameRate, opts.FrameBurst)}
}

// pass reports whether these bytes may go on. It returns false from the first frame that exceeds
// the rate.
func (m *frameMeter) pass(p []byte) bool {
	for len(p) > 0 {
		if m.skip > 0 {
			n := min(m.skip, uint64(len(p)))
			m.skip -= n
			p = p[n:]
			continue
		}
		m.header[m.have] = p[0]
		m.have++
		p = p[1:]
		if m.have < 2 || m.have < m.headerSize() {
			continue
		}
		m.skip, m.have = m.payloadSize(), 0
		if !m.carriesMessage() && !m.bucket.take(time.Now()) {
			return false
		}
	}
	return true
}

// headerSize needs the first two bytes.
func (m *frameMeter) headerSize() int {
	size := 2
	switch m.header[1] & lengthsMask {
	case length16:
		size += 2
	case length64:
		size += 8
	}
	if m.header[1]&masked != 0 {
		size += 4
	}
	return size
}

func (m *frameMeter) payloadSize() uint64 {
	switch length := m.header[1] & lengthsMask; length {
	case length16:
		return uint64(binary.BigEndian.Uint16(m.header[2:]))
	case length64:
		return min(binary.BigEndian.Uint64(m.header[2:]), math.MaxInt64)
	default:
		return uint64(length)
	}
}

// carriesMessage reports whether the frame is a whole message. These have a rate of their own.
func (m *frameMeter) carriesMessage() bool {
	opcode := m.header[0] & opcodes
	return m.header[0]&final != 0 && (opcode == opText || opcode == opBinary)
}
