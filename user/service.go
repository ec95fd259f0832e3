package user

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"unicode/utf8"

	"github.com/buddychat/buddychat/storage"
)

// Service registers users, checks their passwords and changes their accounts. It validates all
// arguments. Its errors that are meant for the user are those of package storage, and their
// [storage.Field] is the name of the GraphQL argument. The caller must make sure that the acting
// user is logged in. It is safe for concurrent use.
//
// Service implements [Directory] and [Lister].
type Service struct {
	store     Store
	passwords passwordPolicy
	hasher    *hasher
	maxPhones int
	log       *slog.Logger
}

// Options of a [Service]. The zero value is ready to use.
type Options struct {
	// MinPassword is the minimum length of a new password in characters, at most [MaxPassword]; 0
	// means [DefaultMinPassword].
	MinPassword int
	// PasswordRule, if set, is called for every new password, after the built-in checks of its text
	// and length. The user sees the text of its error.
	PasswordRule func(password string) error
	// Hash is the cost of a password hash. If you raise it, each user's hash is renewed at their
	// next login.
	Hash HashParams
	// MaxHashing is how many passwords are hashed at the same time; each takes Hash.Memory. Other
	// calls wait until their context ends. 0 means the number of processors.
	MaxHashing int
	// MaxPhones is the maximum number of phone numbers of a user; 0 means 20.
	MaxPhones int
	// Logger gets failures that do not fail a call, such as a hash that could not be renewed. If
	// nil, nothing is logged.
	Logger *slog.Logger
}

// NewService returns a service on a store. Options may be nil.
func NewService(store Store, o *Options) (*Service, error) {
	var opts Options
	if o != nil {
		opts = *o
	}
	if opts.MinPassword == 0 {
		opts.MinPassword = DefaultMinPassword
	}
	if opts.MaxHashing == 0 {
		opts.MaxHashing = runtime.NumCPU()
	}
	if opts.MaxPhones == 0 {
		opts.MaxPhones = 20
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	opts.Hash = opts.Hash.orDefault()
	switch {
	case store == nil:
		return nil, errors.New("user: the store is nil")
	case opts.MinPassword < 1 || opts.MinPassword > MaxPassword:
		return nil, fmt.Errorf("user: MinPassword is %d: want 1 to %d", opts.MinPassword, MaxPassword)
	case opts.MaxHashing < 0:
		return nil, fmt.Errorf("user: MaxHashing is %d: want 1 or more", opts.MaxHashing)
	case opts.MaxPhones < 0:
		return nil, fmt.Errorf("user: MaxPhones is %d: want 1 or more", opts.MaxPhones)
	}
	if err := opts.Hash.check(); err != nil {
		return nil, fmt.Errorf("user: %w", err)
	}
	return &Service{
		store:     store,
		passwords: newPasswordPolicy(opts.MinPassword, opts.PasswordRule),
		hasher:    newHasher(opts.Hash, opts.MaxHashing),
		maxPhones: opts.MaxPhones,
		log:       opts.Logger,
	}, nil
}

// WithStore returns the same service on another store, such as one that is bound to a transaction.
// Both share the limit MaxHashing.
func (s *Service) WithStore(store Store) *Service {
	other := *s
	other.store = store
	return &other
}

// Registration is what a person enters to get an account.
type Registration struct {
	// Username has 4 to 150 letters and digits of any script and _ . + - @. It is stored normalised
	// to NFKC.
	Username string
	// Email is a plain address of at most 254 characters, with at most 64 bytes before the @.
	Email string
	// Password has at most [MaxPassword] characters, counted after normalising to NFKC, and is
	// hashed in that form.
	Password string
	// FirstName and LastName have 2 to 150 characters, without surrounding white space.
	FirstName, LastName string
	// Phone has 8 to 15 digits, and a country code of 1 to 4 digits after an optional +. Its ID is
	// ignored.
	Phone Phone
}

// Register creates an account. It returns [storage.ErrConflict] if the username, the email or the
// phone number is taken, and [storage.ErrInvalid] if a field is not acceptable.
func (s *Service) Register(ctx context.Context, r Registration) (User, Phone, error) {
	a, err := s.account(&r)
	if err != nil {
		return User{}, Phone{}, err
	}
	if a.PasswordHash, err = s.hasher.hash(ctx, r.Password); err != nil {
		return User{}, Phone{}, err
	}
	return s.store.CreateUser(ctx, a)
}

// account checks a registration, replaces its password by the normalised one, and returns the
// account without the password hash.
func (s *Service) account(r *Registration) (a Account, err error) {
	if a.Username, err = cleanUsername("username", r.Username); err != nil {
		return Account{}, err
	}
	if err = checkEmail("email", r.Email); err != nil {
		return Account{}, err
	}
	a.Email = r.Email
	if a.FirstName, err = cleanName("firstName", r.FirstName); err != nil {
		return Account{}, err
	}
	if a.LastName, err = cleanName("lastName", r.LastName); err != nil {
		return Account{}, err
	}
	if a.Phone, err = cleanPhone("phoneNumber.", r.Phone); err != nil {
		return Account{}, err
	}
	if r.Password, err = s.passwords.clean("password", r.Password); err != nil {
		return Account{}, err
	}
	return a, s.passwords.checkGuess("password", r.Password, a.Username, a.Email, a.FirstName, a.LastName)
}

// Authenticate returns the user with this username and password. A wrong username and a wrong
// password return the same [storage.ErrUnauthenticated], after the same work. The password may be
// replaced at any time after the check. So an operation that relies on it must check the user's
// PasswordVersion again, as [github.com/buddychat/buddychat/user/token.Service.Login] does.
func (s *Service) Authenticate(ctx context.Context, username, password string) (User, error) {
	c, err := s.credentialsByName(ctx, username)
	known := !errors.Is(err, storage.ErrNotFound)
	if known && err != nil {
		return User{}, err
	}
	stored := s.hasher.decoy
	if known {
		if stored, err = parsePHC(c.PasswordHash); err != nil {
			return User{}, err
		}
	}
	ok, err := s.verify(ctx, stored, password)
	if err != nil {
		return User{}, err
	}
	if !ok || !known {
		if err := s.hasher.makeUp(ctx, stored); err != nil {
			return User{}, err
		}
		return User{}, WrongLogin()
	}
	if stored.params.weakerThan(s.hasher.params) {
		s.rehash(ctx, c, password)
	}
	return c.User, nil
}

// credentialsByName does not ask the store for what cannot be a username.
func (s *Service) credentialsByName(ctx context.Context, username string) (Credentials, error) {
	if checkText("username", username, 1, maxNameBytes) != nil {
		return Credentials{}, storage.NotFound()
	}
	return s.store.CredentialsByName(ctx, username)
}

// verify checks a password against a stored hash. A password that is too long is wrong. It is cut
// before it is hashed, so that the answer takes no longer than for any other password.
func (s *Service) verify(ctx context.Context, stored phc, password string) (bool, error) {
	cut, whole := atMost(password, MaxPassword*utf8.UTFMax)
	normal, stillWhole := atMost(normalPassword(cut), MaxPassword*utf8.UTFMax)
	ok, err := s.hasher.verify(ctx, stored, normal)
	return ok && whole && stillWhole, err
}

// atMost returns at most the first most bytes of s, and reports whether these are all of s.
func atMost(s string, most int) (cut string, whole bool) {
	if len(s) <= most {
		return s, true
	}
	return s[:most], false
}

// rehash replaces a hash whose parameters are weaker than those of the options. If that fails, the
// login still succeeds.
func (s *Service) rehash(ctx context.Context, c Credentials, password string) {
	hash, err := s.hasher.hash(ctx, normalPassword(password))
	if err == nil {
		err = s.store.ReplaceHash(ctx, c.User.ID, c.PasswordHash, hash)
	}
	if err != nil {
		s.log.WarnContext(ctx, "a password hash could not be renewed", "user", c.User.ID, "error", err)
	}
}

// Update changes the user's profile. A nil field is left unchanged; "" clears the bio or the
// picture.
func (s *Service) Update(ctx context.Context, id ID, u Update) (User, error) {
	u, err := u.clean()
	if err != nil {
		return User{}, err
	}
	return s.store.UpdateUser(ctx, id, u)
}

// ChangePassword replaces the user's password and ends every session of the user. It returns
// [storage.ErrInvalid] about oldPassword if that is wrong, and about newPassword if that is not
// acceptable.
func (s *Service) ChangePassword(ctx context.Context, id ID, oldPassword, newPassword string) (User, error) {
	newPassword, err := s.passwords.clean("newPassword", newPassword)
	if err != nil {
		return User{}, err
	}
	u, err := s.changePassword(ctx, id, oldPassword, newPassword)
	if errors.Is(err, storage.ErrConflict) {
		// The stored hash changed in the meantime. If a login renewed it, which is rare, the
		// password is still the same and the second try succeeds. If another call changed the
		// password, the second try finds the old one wrong.
		u, err = s.changePassword(ctx, id, oldPassword, newPassword)
	}
	return u, err
}

func (s *Service) changePassword(ctx context.Context, id ID, oldPassword, newPassword string) (User, error) {
	c, err := s.store.Credentials(ctx, id)
	if err != nil {
		return User{}, err
	}
	u := c.User
	if err := s.passwords.checkGuess("newPassword", newPassword, u.Username, u.Email, u.FirstName, u.LastName); err != nil {
		return User{}, err
	}
	if err := s.confirm(ctx, c, "oldPassword", oldPassword); err != nil {
		return User{}, err
	}
	hash, err := s.hasher.hash(ctx, newPassword)
	if err != nil {
		return User{}, err
	}
	if err := s.store.SetPassword(ctx, id, c.PasswordHash, hash); err != nil {
		return User{}, err
	}
	u.PasswordVersion++
	return u, nil
}

// confirm checks the password of a user who is already logged in. A wrong one is
// [storage.ErrInvalid] about field.
func (s *Service) confirm(ctx context.Context, c Credentials, field, password string) error {
	stored, err := parsePHC(c.PasswordHash)
	if err != nil {
		return err
	}
	ok, err := s.verify(ctx, stored, password)
	if err == nil && !ok {
		return storage.Invalid(field, "%s is not your password", field)
	}
	return err
}

// Delete erases the user, who confirms it with their password. A wrong one is [storage.ErrInvalid]
// about password. [Store.EraseUser] says what is erased.
func (s *Service) Delete(ctx context.Context, id ID, password string) error {
	err := s.delete(ctx, id, password)
	if errors.Is(err, storage.ErrConflict) {
		// The password was replaced after the check: check it against the new one.
		err = s.delete(ctx, id, password)
	}
	return err
}

func (s *Service) delete(ctx context.Context, id ID, password string) error {
	c, err := s.store.Credentials(ctx, id)
	if err != nil {
		return err
	}
	if err := s.confirm(ctx, c, "password", password); err != nil {
		return err
	}
	return s.store.EraseVerified(ctx, id, c.User.PasswordVersion)
}

// Erase erases a user without a password, on behalf of the application. It also works for the users
// of your own directory, and may be repeated. [Store.EraseUser] says what is erased.
func (s *Service) Erase(ctx context.Context, id ID) error {
	return s.store.EraseUser(ctx, id)
}

// AddPhone adds a phone number to the user. It returns [storage.ErrConflict] if any user has that
// number, or if the user has the maximum number of them.
func (s *Service) AddPhone(ctx context.Context, id ID, p Phone) (Phone, error) {
	p, err := cleanPhone("", p)
	if err != nil {
		return Phone{}, err
	}
	return s.store.AddPhone(ctx, id, p, s.maxPhones)
}

// RemovePhone removes a phone number of the user. A number of another user is
// [storage.ErrNotFound].
func (s *Service) RemovePhone(ctx context.Context, id ID, phone int64) error {
	return s.store.RemovePhone(ctx, id, phone)
}

// Phones returns the phone numbers of each of the users, oldest first.
func (s *Service) Phones(ctx context.Context, ids ...ID) (map[ID][]Phone, error) {
	return s.store.Phones(ctx, ids...)
}
