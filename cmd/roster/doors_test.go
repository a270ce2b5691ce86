package main_test

import "encoding/base32"

// doors are the pages that somebody comes to who is not signed in: to open an account, to choose a forgotten password
// anew, to give a second step, and what a link says that no longer works.
func doors(s *story) {
	s.given("SPEC 1.3: whoever confirms an address may open an account")
	nell := s.person("nell")
	nell.goes("/sign-in")
	nell.presses("Open an account")
	nell.fill("email", nell.email)
	nell.sends("#email")
	nell.reads("A mail has been sent")
	link := "/sign-up/" + s.r.linkTo(nell.email, "sign-up")
	s.when("SPEC 4.3: the password that she chooses is none")
	nell.goes(link)
	for _, field := range [][2]string{{"name", s.company}, {"first_name", "Nell"}, {"last_name", "Lee"}, {"password", "short"}, {"confirm", "other"}} {
		nell.fill(field[0], field[1])
	}
	nell.sends("#name")
	s.then("SPEC 4.3: she is told all that is wrong with it at once")
	nell.reads("At least 10 characters", "The two passwords are not the same")
	nell.fill("password", password)
	nell.fill("confirm", password)
	nell.sends("#name")
	nell.reads("Your account is ready")
	s.then("SPEC 2.12: the link works once")
	nell.goes(link)
	nell.reads("This link no longer works")

	s.when("SPEC 4.4: she forgets the password")
	nell.goes("/forgotten")
	nell.fill("email", nell.email)
	nell.sends("#email")
	nell.reads("a link has been sent there")
	link = "/reset/" + s.r.linkTo(nell.email, "reset")
	nell.goes(link)
	nell.fill("password", "Another-horse-8")
	nell.fill("confirm", "Another-horse-9")
	nell.sends("#password")
	nell.reads("The two passwords are not the same")
	nell.fill("password", password)
	nell.fill("confirm", password)
	nell.sends("#password")
	nell.reads("Your password is changed")
	s.then("SPEC 4.4: that link works once, too")
	nell.goes(link)
	nell.reads("This link no longer works")

	s.when("SPEC 4.5: she has an authenticator app, and its codes at hand or not")
	nell.enters()
	nell.reads("Everybody who can act in " + s.company)
	recovery := s.r.authenticates(nell.api())
	nell.leaves()
	nell.enters()
	nell.reads("Second step", "authenticator app")
	nell.fill("code", "000000")
	nell.sends("#code")
	nell.reads("The code is wrong")
	nell.fill("code", recovery)
	nell.sends("#code")
	nell.reads("Everybody who can act in " + s.company)

	s.when("SPEC 2.12: an invitation is declined")
	nell.presses("Invite people")
	nell.ticks(`input[name="role"][value="viewer"]`)
	nell.fill("emails", "dan@northwind.example")
	nell.sends("#emails")
	dan := s.person("dan")
	link = "/invitations/" + dan.link()
	dan.goes(link)
	dan.sends(`form[action$="/decline"] button`)
	dan.reads("Invitation declined")
	s.then("SPEC 2.12: the link says so, and a new one can be asked for")
	dan.goes(link)
	dan.reads("This invitation has been declined.")
	dan.presses("Ask for a new link")
	dan.reads("It has been told that you ask")
	s.then("RELIABILITY S55: a link that never was says nothing of anybody")
	dan.goes("/invitations/nothing")
	dan.lacks("Ask for a new link")
}

// authenticates sets up an authenticator app for somebody, and answers a recovery code.
func (r *running) authenticates(who caller) string {
	r.t.Helper()
	seed := who.post("/v1/me/factors", m{"method": "totp", "password": password}).Want(201).JSON()
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(seed["secret"].(string))
	if err != nil {
		r.t.Fatalf("%v", err)
	}
	who.post("/v1/me/factors/"+seed["id"].(string)+"/verify", m{"code": totp(raw)}).Want(200)
	return who.post("/v1/me/recovery-codes", m{"password": password}).Want(201).JSON()["codes"].([]any)[0].(string)
}
