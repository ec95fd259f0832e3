package user

// OnHash calls f with the parameters of every hash that the service makes or checks from now on.
func (s *Service) OnHash(f func(HashParams)) {
	derive := s.hasher.derive
	s.hasher.derive = func(password string, salt []byte, p HashParams, size uint32) []byte {
		f(p)
		return derive(password, salt, p, size)
	}
}

// Entropy is what the service thinks a password is worth, in bits.
func (s *Service) Entropy(password string, about ...string) float64 {
	return s.passwords.entropy(password, about)
}

// CheckGuess refuses what is guessed easily.
func (s *Service) CheckGuess(password string, about ...string) error {
	return s.passwords.checkGuess("password", password, about...)
}

// CleanUsername is the form in which a username is stored.
func CleanUsername(s string) (string, error) { return cleanUsername("username", s) }

// CheckStoredHash reports whether a stored hash can be read, and as what it would be stored again.
func CheckStoredHash(s string) (string, error) {
	h, err := parsePHC(s)
	return h.String(), err
}
