package transportws

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode/utf8"
)

// close ends the socket once running operations have had time to end. It returns at once.
func (s *socket) close(why *CloseError) {
	if why.Code == CodeSlowConsumer {
		s.shut(why, 0) // it would not read the remaining results anyway
		return
	}
	s.shut(why, s.opts.DrainTimeout)
}

// closeNow ends the socket without waiting for operations. Queued frames are still written.
func (s *socket) closeNow(why *CloseError) { s.shut(why, 0) }

func (s *socket) shut(why *CloseError, drain time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == closing {
		return
	}
	s.state = closing
	s.signalDrained()
	s.cancel(why)
	s.running.Go(func() { s.finish(why, drain) })
}

// finish writes the queued frames and the close frame.
func (s *socket) finish(why *CloseError, drain time.Duration) {
	if drain > 0 {
		timer := time.NewTimer(drain)
		defer timer.Stop()
		select {
		case <-s.drained:
		case <-timer.C:
		}
	}
	if why.Code == CodeSlowConsumer {
		s.out.discard()
	}
	code, reason := closeFrame(why)
	if s.out.close() {
		s.conn.Close(code, reason)
	}
	s.conn.CloseNow()
	s.opts.Logger.Debug("socket closed", "code", code, "reason", reason)
}

// gone ends the socket of a client that has left, or whose connection has failed.
func (s *socket) gone(err error) {
	s.mu.Lock()
	already := s.state == closing
	s.state = closing
	s.mu.Unlock()
	s.cancel(err)
	s.out.abandon()
	s.conn.CloseNow()
	if !already {
		s.opts.Logger.Debug("socket ended by its client", "error", err)
	}
}

// writeFailed cuts the connection: after a frame that was partly written, no close frame can
// follow.
func (s *socket) writeFailed(err error) {
	if isTimeout(err) {
		s.opts.Logger.Debug("socket cut: slow consumer", "code", CodeSlowConsumer)
	}
	s.conn.CloseNow()
}

func (s *socket) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == closing
}

// endOf returns the close code and reason for a session that has ended.
func endOf(session context.Context) *CloseError {
	if why, ok := errors.AsType[*CloseError](context.Cause(session)); ok {
		return why
	}
	return &CloseError{Code: CodeGoingAway, Reason: "Session ended"}
}

// maxReasonBytes is the longest reason that fits into a close frame.
const maxReasonBytes = 123

// closeFrame returns a code and a reason that may be sent.
func closeFrame(why *CloseError) (code int, reason string) {
	code = why.Code
	switch {
	case code == 1004, code == 1005, code == 1006, code < 1000, code > 1014 && code < 3000, code > 4999:
		code = CodeInternal
	}
	return code, cut(why.Reason, maxReasonBytes)
}

func subscriberExists(id string) string {
	return "Subscriber for " + cut(id, 80) + " already exists"
}

// cut returns at most limit bytes of s, without splitting a character.
func cut(s string, limit int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}
