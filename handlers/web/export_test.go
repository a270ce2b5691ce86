package web

// FormToken is the token of a form, by the browser's key and session.
func FormToken(key, action, session string) string { return formToken(key, action, session) }

// Text is a name as pages show it.
func Text(s string) string { return text(s) }
