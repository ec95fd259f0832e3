package user

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// HashParams set the cost of a password hash (argon2id, RFC 9106).
type HashParams struct {
	Memory      uint32 // KiB for each hash, at most 4 GiB; 0 means 19,456 (19 MiB)
	Iterations  uint32 // passes over the memory, at most 1,000; 0 means 2
	Parallelism uint8  // threads for each hash; 0 means 1
}

const (
	maxHashMemory     = 4 << 20 // KiB
	maxHashIterations = 1000
	saltSize          = 16
	keySize           = 32
)

func (p HashParams) orDefault() HashParams {
	if p.Memory == 0 {
		p.Memory = 19 << 10
	}
	if p.Iterations == 0 {
		p.Iterations = 2
	}
	if p.Parallelism == 0 {
		p.Parallelism = 1
	}
	return p
}

func (p HashParams) check() error {
	if p.Memory < 8*uint32(p.Parallelism) || p.Memory > maxHashMemory {
		return fmt.Errorf("the hash memory is %d KiB; at least 8 for each thread and at most %d are allowed", p.Memory, maxHashMemory)
	}
	if p.Iterations < 1 || p.Iterations > maxHashIterations {
		return fmt.Errorf("the number of hash iterations is %d; 1 to %d are allowed", p.Iterations, maxHashIterations)
	}
	if p.Parallelism < 1 {
		return errors.New("the hash parallelism is 0; at least 1 is required")
	}
	return nil
}

// weakerThan reports whether a guess against p costs less memory or fewer passes than against q.
func (p HashParams) weakerThan(q HashParams) bool {
	return p.Memory < q.Memory || p.Iterations < q.Iterations
}

// missing returns the work that makes a hash with p cost as much as one with q, and false if it
// already does. The cost of a hash is its memory times its passes.
func (p HashParams) missing(q HashParams) (HashParams, bool) {
	have, want := uint64(p.Memory)*uint64(p.Iterations), uint64(q.Memory)*uint64(q.Iterations)
	if have >= want {
		return HashParams{}, false
	}
	passes := (want - have + uint64(q.Memory) - 1) / uint64(q.Memory)
	memory := max(uint32((want-have)/passes), 8*uint32(q.Parallelism))
	return HashParams{Memory: memory, Iterations: uint32(passes), Parallelism: q.Parallelism}, true
}

// phc is a password hash with its parameters and salt.
type phc struct {
	params    HashParams
	salt, key []byte
}

// String returns the stored form of the hash, the PHC string format.
func (h phc) String() string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$%s$%s$%s", argon2.Version, h.params, b64.EncodeToString(h.salt), b64.EncodeToString(h.key))
}

// String returns the parameters as in the PHC string format.
func (p HashParams) String() string {
	return fmt.Sprintf("m=%d,t=%d,p=%d", p.Memory, p.Iterations, p.Parallelism)
}

var errHash = errors.New("the stored password hash is not argon2id in the PHC string format")

func parsePHC(s string) (phc, error) {
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return phc{}, errHash
	}
	var h phc
	p := &h.params
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.Memory, &p.Iterations, &p.Parallelism); err != nil || p.String() != parts[3] {
		return phc{}, errHash
	}
	if err := p.check(); err != nil {
		return phc{}, fmt.Errorf("the stored password hash: %w", err)
	}
	var saltErr, keyErr error
	h.salt, saltErr = base64.RawStdEncoding.DecodeString(parts[4])
	h.key, keyErr = base64.RawStdEncoding.DecodeString(parts[5])
	if saltErr != nil || keyErr != nil || len(h.salt) < 8 || len(h.key) < 16 || len(h.key) > 64 {
		return phc{}, errHash
	}
	return h, nil
}

// hasher hashes and checks passwords, at most cap(slots) at a time. Each takes params.Memory, and
// many logins at once must not exhaust the server's memory.
type hasher struct {
	params HashParams
	slots  chan struct{}
	derive func(password string, salt []byte, p HashParams, size uint32) []byte
	// decoy is a hash that matches no password. Checking against it costs as much as against a real
	// one.
	decoy phc
}

func newHasher(params HashParams, atOnce int) *hasher {
	return &hasher{
		params: params,
		slots:  make(chan struct{}, atOnce),
		derive: argon2id,
		decoy:  phc{params: params, salt: random(saltSize), key: random(keySize)},
	}
}

func argon2id(password string, salt []byte, p HashParams, size uint32) []byte {
	return argon2.IDKey([]byte(password), salt, p.Iterations, p.Memory, p.Parallelism, size)
}

// run derives a key once a slot is free, or returns the error of ctx if that ends first.
func (h *hasher) run(ctx context.Context, password string, salt []byte, p HashParams, size int) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
		return h.derive(password, salt, p, uint32(size)), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// hash returns a new hash of password in the PHC string format.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	salt := random(saltSize)
	key, err := h.run(ctx, password, salt, h.params, keySize)
	if err != nil {
		return "", err
	}
	return phc{h.params, salt, key}.String(), nil
}

// verify reports whether stored is a hash of password.
func (h *hasher) verify(ctx context.Context, stored phc, password string) (bool, error) {
	key, err := h.run(ctx, password, stored.salt, stored.params, len(stored.key))
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(key, stored.key) == 1, nil
}

// makeUp spends the time that a check against stored takes less than one against a new hash.
// Without it, a quick answer would tell that the account exists, if the parameters were raised
// since the hash was made.
func (h *hasher) makeUp(ctx context.Context, stored phc) error {
	rest, some := stored.params.missing(h.params)
	if !some {
		return nil
	}
	_, err := h.run(ctx, "", stored.salt, rest, keySize)
	return err
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails: without entropy it ends the process
	return b
}
