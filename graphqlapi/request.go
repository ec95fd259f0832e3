package graphqlapi

import (
	"bytes"
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/buddychat/buddychat/internal/surrogate"
	"github.com/buddychat/buddychat/realtime/transportws"
)

// maxBody is the maximum size of a request in bytes, for all transports.
const maxBody = 256 << 10

// A request is a GraphQL request, independent of the transport.
type request struct {
	query, operationName string
	variables            map[string]any
}

// parameters are the parts of a request as JSON. Missing parts are nil.
type parameters struct{ query, operationName, variables, extensions json.RawMessage }

// readRequest reads a request over HTTP. readAll returns the body of a POST. Errors are of type
// [*refusal].
func readRequest(r *http.Request, readAll func() ([]byte, error)) (request, error) {
	var p parameters
	var err error
	if r.Method == http.MethodPost {
		p, err = readBody(r, readAll)
	} else {
		p, err = readURL(r.URL.RawQuery)
	}
	if err != nil {
		return request{}, err
	}
	return p.request()
}

// readURL reads the parameters from the query of a URL: strings as they are, objects as JSON.
func readURL(rawQuery string) (parameters, error) {
	if len(rawQuery) > maxBody {
		return parameters{}, malformed(http.StatusRequestURITooLong, "the query string of the URL has more than %d bytes: send the request by POST, or shorten it", maxBody)
	}
	values, err := url.ParseQuery(rawQuery)
	if err != nil {
		return parameters{}, malformed(http.StatusBadRequest, "the parameters of the URL must be URL-encoded")
	}
	p := parameters{query: quoted(values, "query"), operationName: quoted(values, "operationName")}
	for name, parameter := range map[string]*json.RawMessage{"variables": &p.variables, "extensions": &p.extensions} {
		text := values.Get(name)
		if text == "" {
			continue
		}
		if !utf8.ValidString(text) || !json.Valid([]byte(text)) {
			return parameters{}, malformed(http.StatusBadRequest, "%s must be a JSON object", name)
		}
		*parameter = bytes.TrimSpace([]byte(text))
	}
	return p, nil
}

// quoted returns a string of the URL as JSON, or nil if it is missing. Text that is not UTF-8
// becomes a JSON number, which is rejected later as not a string.
func quoted(values url.Values, name string) json.RawMessage {
	text := values.Get(name)
	if text == "" {
		return nil
	}
	if !utf8.ValidString(text) {
		return json.RawMessage("0")
	}
	quoted, _ := json.Marshal(text) // encoding a string cannot fail
	return quoted
}

// readBody reads the parameters from the body of a POST.
func readBody(r *http.Request, readAll func() ([]byte, error)) (parameters, error) {
	if err := checkContentType(r.Header); err != nil {
		return parameters{}, err
	}
	body, err := readAll()
	if err != nil {
		return parameters{}, err
	}
	return parseBody(body)
}

// checkContentType accepts only JSON. Pages of any origin can send other types without a preflight
// request.
func checkContentType(header http.Header) error {
	mediaType, params, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil || mediaType != "application/json" {
		return malformed(http.StatusUnsupportedMediaType, "the Content-Type must be application/json")
	}
	if charset, ok := params["charset"]; ok && !isUTF8(charset) {
		return malformed(http.StatusUnsupportedMediaType, "the charset must be utf-8")
	}
	if encoding := header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return malformed(http.StatusUnsupportedMediaType, "the body must not be compressed")
	}
	return nil
}

func isUTF8(charset string) bool {
	return strings.EqualFold(charset, "utf-8") || strings.EqualFold(charset, "utf8")
}

// parseBody parses a JSON object and ignores unknown names.
func parseBody(body []byte) (parameters, error) {
	if !utf8.Valid(body) {
		return parameters{}, malformed(http.StatusBadRequest, "the body must be UTF-8")
	}
	if !json.Valid(body) {
		return parameters{}, malformed(http.StatusBadRequest, "the body must be JSON")
	}
	// A map, because decoding into a struct would ignore the case of names.
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil || fields == nil {
		return parameters{}, malformed(http.StatusBadRequest, "the body must be one JSON object with a query: lists of requests are not supported")
	}
	return parameters{
		query:         fields["query"],
		operationName: fields["operationName"],
		variables:     fields["variables"],
		extensions:    fields["extensions"],
	}, nil
}

// errPersistedQuery has the message that clients look for. They then send the query itself, and do
// so from then on.
var errPersistedQuery = &wireError{code: codeBadUserInput, message: "PersistedQueryNotSupported"}

// persisted refuses a request that has the hash of a persisted query instead of a query.
func persisted(query string, extensions json.RawMessage) error {
	if query != "" || isNull(extensions) {
		return nil
	}
	var e struct {
		PersistedQuery struct {
			Hash string `json:"sha256Hash"`
		} `json:"persistedQuery"`
	}
	if err := json.Unmarshal(extensions, &e); err == nil && e.PersistedQuery.Hash != "" {
		return wellFormed(http.StatusBadRequest, errPersistedQuery)
	}
	return nil
}

// request checks the types of the parameters.
func (p parameters) request() (q request, err error) {
	if isNull(p.query) || string(p.query) == `""` {
		if err := persisted("", p.extensions); err != nil {
			return request{}, err
		}
	}
	if isNull(p.query) {
		return request{}, malformed(http.StatusBadRequest, "query is missing: it is the GraphQL document")
	}
	if q.query, err = text("query", p.query); err != nil {
		return request{}, err
	}
	if q.operationName, err = text("operationName", p.operationName); err != nil {
		return request{}, err
	}
	if q.variables, err = object("variables", p.variables); err != nil {
		return request{}, err
	}
	_, err = object("extensions", p.extensions)
	return q, err
}

// requestOf returns the request of a WebSocket message, whose structure the socket has already
// checked.
func requestOf(p transportws.Payload) (q request, err error) {
	if err := persisted(p.Query, p.Extensions); err != nil {
		return request{}, err
	}
	q = request{query: p.Query, operationName: p.OperationName}
	q.variables, err = object("variables", p.Variables)
	return q, err
}

func text(name string, raw json.RawMessage) (s string, err error) {
	if isNull(raw) {
		return "", nil
	}
	if raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return "", malformed(http.StatusBadRequest, "%s must be a string", name)
	}
	return s, checkUnicode(name, raw)
}

// object parses a JSON object. Numbers keep their text, because an id may have more digits than a
// float64.
func object(name string, raw json.RawMessage) (fields map[string]any, err error) {
	if isNull(raw) {
		return nil, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if raw[0] != '{' || decoder.Decode(&fields) != nil {
		return nil, malformed(http.StatusBadRequest, "%s must be a JSON object", name)
	}
	return fields, checkUnicode(name, raw)
}

// checkUnicode rejects JSON that does not decode to the text it stands for.
func checkUnicode(name string, raw json.RawMessage) error {
	if surrogate.Lone(string(raw)) {
		return malformed(http.StatusBadRequest, "%s must be Unicode: there is half of a surrogate pair in it", name)
	}
	return nil
}

func isNull(raw json.RawMessage) bool { return len(raw) == 0 || raw[0] == 'n' }
