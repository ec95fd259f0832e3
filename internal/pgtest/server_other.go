//go:build !unix

package pgtest

import "errors"

func start(bool) (*server, error) {
	return nil, errors.New("a private server is started on Unix only: set BUDDYCHAT_TEST_POSTGRES")
}
