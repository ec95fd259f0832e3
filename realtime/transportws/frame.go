package transportws

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/buddychat/buddychat/internal/surrogate"
)

// The types of frames.
const (
	typeInit      = "connection_init"
	typeAck       = "connection_ack"
	typePing      = "ping"
	typePong      = "pong"
	typeSubscribe = "subscribe"
	typeNext      = "next"
	typeError     = "error"
	typeComplete  = "complete"
)

// maxIDBytes caps the id of an operation, which is repeated in each of its frames.
const maxIDBytes = 256

// A frame is one message from a client.
type frame struct {
	typ     string
	id      string          // of subscribe and complete
	rawID   json.RawMessage // the id exactly as the client wrote it
	payload json.RawMessage // of the others; an object or nil
	request Payload         // of subscribe
	refusal json.RawMessage // of subscribe: errors to send without calling the handler, or nil
}

// parseFrame parses a frame. Its error messages are for the client.
func parseFrame(data []byte) (frame, error) {
	var f frame
	if !utf8.Valid(data) {
		return f, errors.New("message is not UTF-8")
	}
	fields, err := fieldsOf(data)
	if err != nil {
		return f, errors.New("message is not a JSON object")
	}
	if f.typ, err = stringOf(fields["type"]); err != nil {
		return f, errors.New("type must be a string")
	}
	switch f.typ {
	case typeInit, typePing, typePong:
		f.payload, err = objectOrNil("payload", fields["payload"])
	case typeSubscribe:
		if err = f.parseID(fields["id"]); err == nil {
			err = f.parseRequest(fields["payload"])
		}
	case typeComplete:
		err = f.parseID(fields["id"])
	default:
		err = errors.New("unknown type: a client sends connection_init, subscribe, complete, ping or pong")
	}
	return f, err
}

func (f *frame) parseID(raw json.RawMessage) (err error) {
	f.rawID = raw
	f.id, err = stringOf(raw)
	if err != nil || f.id == "" || len(raw) > maxIDBytes {
		return fmt.Errorf("id must be a string of 1 to %d bytes", maxIDBytes-len(`""`))
	}
	return nil
}

func (f *frame) parseRequest(raw json.RawMessage) error {
	fields, err := fieldsOf(raw)
	if err != nil {
		return errors.New("payload must be an object")
	}
	p := &f.request
	if p.Extensions, err = objectOrNil("payload.extensions", fields["extensions"]); err != nil {
		return err
	}
	// An extension may replace the query, such as the hash of a persisted one. The handler knows
	// which.
	if query := fields["query"]; !isNull(query) || p.Extensions == nil {
		if p.Query, err = stringOf(query); err != nil {
			return errors.New("payload.query must be a string")
		}
	}
	if name := fields["operationName"]; !isNull(name) {
		if p.OperationName, err = stringOf(name); err != nil {
			return errors.New("payload.operationName must be a string")
		}
	}
	// Decoding would alter the text. That is an error of one operation, not of the protocol.
	for _, name := range []string{"query", "operationName"} {
		if surrogate.Lone(string(fields[name])) {
			f.refusal = fmt.Appendf(nil, loneSurrogate, name)
		}
	}
	p.Variables, err = objectOrNil("payload.variables", fields["variables"])
	return err
}

const loneSurrogate = `[{"message":"%s must be Unicode: there is half of a surrogate pair in it","extensions":{"code":"BAD_USER_INPUT"}}]`

// fieldsOf returns the fields of a JSON object. It is a map because [json.Unmarshal] would accept
// "Type" for the field "type" of a struct. If a name occurs twice, the last one counts.
func fieldsOf(object []byte) (fields map[string]json.RawMessage, err error) {
	err = json.Unmarshal(object, &fields)
	if err == nil && fields == nil {
		err = errors.New("null")
	}
	return fields, err
}

func stringOf(raw json.RawMessage) (s string, err error) {
	if len(raw) == 0 || raw[0] != '"' {
		return "", errors.New("not a string")
	}
	err = json.Unmarshal(raw, &s)
	return s, err
}

func objectOrNil(name string, raw json.RawMessage) (json.RawMessage, error) {
	if isNull(raw) {
		return nil, nil
	}
	if raw[0] != '{' {
		return nil, fmt.Errorf("%s must be an object", name)
	}
	return raw, nil
}

func isNull(raw json.RawMessage) bool { return len(raw) == 0 || raw[0] == 'n' }

// frameOverhead is the most that appendFrame adds to an id and a payload.
const frameOverhead = len(`{"id":,"type":"connection_ack","payload":}`)

// appendFrame appends a frame of the type to dst. id and payload are JSON values, copied verbatim,
// or nil.
func appendFrame(dst []byte, typ string, id, payload json.RawMessage) []byte {
	dst = append(dst, '{')
	if id != nil {
		dst = append(dst, `"id":`...)
		dst = append(dst, id...)
		dst = append(dst, ',')
	}
	dst = append(dst, `"type":"`...)
	dst = append(dst, typ...)
	dst = append(dst, '"')
	if payload != nil {
		dst = append(dst, `,"payload":`...)
		dst = append(dst, payload...)
	}
	return append(dst, '}')
}
