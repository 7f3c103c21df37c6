package sdktest

import "errors"

// The errors of drivers. Compare with errors.Is.
var (
	// ErrNoDigest means that nothing is known of a native machine's state: it has no Export, and the test gave no
	// function in NativeDriver.State.
	ErrNoDigest = errors.New("sdktest: the state cannot be compared")
	// ErrNoRestore means that a native machine cannot be restored: it has no Export and Migrate.
	ErrNoRestore = errors.New("sdktest: the machine cannot be restored")
	// ErrNoFresh means that there is no second machine of the kind: New was given one, and not a function that makes them.
	ErrNoFresh = errors.New("sdktest: there is no other machine")
)
