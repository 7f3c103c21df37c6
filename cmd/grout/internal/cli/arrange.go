package cli

import (
	"slices"
	"strings"

	urfave "github.com/urfave/cli/v2"
)

// arrange puts the arguments in the order that the flag parser needs: global flags, the verb, its
// flags, "--", the rest. So flags may stand anywhere, before or after the verb and its arguments.
// What looks like a negative number is an argument, and everything after "--" is.
func arrange(app *urfave.App, args []string) ([]string, error) {
	a := arrangement{app: app}
	for i := 0; i < len(args); i++ {
		switch {
		case args[i] == "--":
			a.rest = append(a.rest, args[i+1:]...)
			i = len(args)
		case !isFlag(args[i]):
			if err := a.word(args[i]); err != nil {
				return nil, err
			}
		default:
			used, err := a.flag(args[i:])
			if err != nil {
				return nil, err
			}
			i += used - 1
		}
	}
	return a.ordered(), nil
}

// arrangement is the arguments seen so far.
type arrangement struct {
	app     *urfave.App
	verb    *urfave.Command
	globals []string
	flags   []string
	rest    []string
}

func isFlag(arg string) bool {
	if len(arg) < 2 || arg[0] != '-' {
		return false
	}
	return arg[1] < '0' || arg[1] > '9'
}

// word takes the verb, or an argument of it.
func (a *arrangement) word(arg string) error {
	if a.verb != nil {
		a.rest = append(a.rest, arg)
		return nil
	}
	if a.verb = a.app.Command(arg); a.verb == nil {
		hint := strings.TrimSpace(urfave.SuggestCommand(a.app.Commands, arg))
		return usage("unknown verb %q. %s Run 'grout --help' for all of them", arg, hint)
	}
	return nil
}

// flag takes a flag and, where it has one, its value. It returns how many arguments these are.
func (a *arrangement) flag(args []string) (int, error) {
	name, value, joined := strings.Cut(strings.TrimLeft(args[0], "-"), "=")
	found, global := a.find(name)
	if found == nil {
		return 0, a.unknown(name, args[0])
	}
	token, used := "--"+name, 1
	if takesValue(found) {
		if !joined {
			if len(args) < 2 {
				return 0, usage("flag %s needs a value", args[0])
			}
			value, used = args[1], 2
		}
		token += "=" + value
	} else if joined {
		token += "=" + value
	}
	if global {
		a.globals = append(a.globals, token)
	} else {
		a.flags = append(a.flags, token)
	}
	return used, nil
}

// find looks a flag up in the verb, then in the program.
func (a *arrangement) find(name string) (found urfave.Flag, global bool) {
	if a.verb != nil {
		if f := named(a.verb.Flags, name); f != nil {
			return f, false
		}
	}
	return named(a.app.Flags, name), true
}

func named(flags []urfave.Flag, name string) urfave.Flag {
	i := slices.IndexFunc(flags, func(f urfave.Flag) bool { return slices.Contains(f.Names(), name) })
	if i < 0 {
		return nil
	}
	return flags[i]
}

func takesValue(f urfave.Flag) bool {
	described, ok := f.(urfave.DocGenerationFlag)
	return ok && described.TakesValue()
}

func (a *arrangement) unknown(name, arg string) error {
	flags, verb := slices.Clone(a.app.Flags), ""
	if a.verb != nil {
		flags, verb = append(flags, a.verb.Flags...), " "+a.verb.Name
	}
	hint := ""
	if like := urfave.SuggestFlag(flags, name, false); like != "" {
		hint = " Did you mean " + like + "?"
	}
	return usage("unknown flag %s.%s Run 'grout%s --help' for all flags, and put -- before arguments that begin with '-'", arg, hint, verb)
}

func (a *arrangement) ordered() []string {
	out := append([]string{a.app.Name}, a.globals...)
	if a.verb == nil {
		return out
	}
	out = append(append(out, a.verb.Name), a.flags...)
	return append(append(out, "--"), a.rest...)
}
