package user_test

import (
	"context"
	"fmt"

	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

func ExampleService_Register() {
	ctx := context.Background()
	users, err := user.NewService(newFakeStore(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	ada, _, err := users.Register(ctx, user.Registration{
		Username: "ada", Email: "ada@example.com", Password: "correct-horse-battery",
		FirstName: "Ada", LastName: "Lovelace",
		Phone: user.Phone{Number: "12345678", CountryCode: "+44"},
	})
	fmt.Println(ada.ID == "", storage.Field(err), "·", err)

	ada, _, err = users.Register(ctx, user.Registration{
		Username: "Ada.Lovelace", Email: "ada@example.com", Password: "correct-horse-battery",
		FirstName: "Ada", LastName: "Lovelace",
		Phone: user.Phone{Number: "12345678", CountryCode: "+44"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	again, err := users.Authenticate(ctx, "ada.lovelace", "correct-horse-battery")
	fmt.Println(again.ID == ada.ID, again.Username, err)
	// Output:
	// true username · username must have 4 to 150 characters
	// true Ada.Lovelace <nil>
}

func ExampleFold() {
	fmt.Println(user.Fold("Straße") == user.Fold("ＳＴＲＡＳＳＥ"))
	// Output: true
}

func ExampleCheckImage() {
	fmt.Println(user.CheckImage("profilePicture", "/images/ada.png"))
	fmt.Println(user.CheckImage("profilePicture", "javascript:alert(1)"))
	// Output:
	// <nil>
	// profilePicture must be an http or https URL, or a path such as /images/me.png
}
