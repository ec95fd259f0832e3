package user

// OnHash makes the service call f with the parameters of every hash that it makes or checks.
func (s *Service) OnHash(f func(HashParams)) {
	derive := s.hasher.derive
	s.hasher.derive = func(password string, salt []byte, p HashParams, size uint32) []byte {
		f(p)
		return derive(password, salt, p, size)
	}
}

// Entropy returns the service's estimate of a password in bits.
func (s *Service) Entropy(password string, about ...string) float64 {
	return s.passwords.entropy(password, about)
}

// CheckGuess refuses a password that is easy to guess.
func (s *Service) CheckGuess(password string, about ...string) error {
	return s.passwords.checkGuess("password", password, about...)
}

// CleanUsername returns the stored form of a username.
func CleanUsername(s string) (string, error) { return cleanUsername("username", s) }

// CheckStoredHash parses a stored hash and returns it as it would be stored again.
func CheckStoredHash(s string) (string, error) {
	h, err := parsePHC(s)
	return h.String(), err
}
