package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/buddychat/buddychat/user/token"
)

// signingKey returns the key for access tokens: the secret if it is set, else the key in the file,
// which the first run creates. Without either, the key is random and lasts as long as the process.
func signingKey(secret, file string) (token.Key, error) {
	key := token.Key{ID: "server", Secret: []byte(secret)}
	if secret != "" {
		return key, nil
	}
	key.Secret = make([]byte, minSecret)
	_, _ = rand.Read(key.Secret) // never fails
	if file == "" {
		return key, nil
	}
	err := writeKey(file, key.Secret)
	if errors.Is(err, fs.ErrExist) {
		key.Secret, err = readKey(file)
	}
	return key, err
}

// writeKey creates the file, readable only by the current user. If the file exists, the error is
// [fs.ErrExist].
func writeKey(file string, secret []byte) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("cannot make the signing key: %w", err)
	}
	_, err = fmt.Fprintln(f, base64.StdEncoding.EncodeToString(secret))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("cannot write the signing key: %w", errors.Join(err, os.Remove(file)))
	}
	return nil
}

func readKey(file string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read the signing key: %w", err)
	}
	secret, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(secret) < minSecret {
		return nil, fmt.Errorf("there is no signing key in %s: remove the file, and another is made, with which everybody has to log in again", file)
	}
	return secret, nil
}
