// Package tidy holds no code: its test is the law that every file of the repository follows.
package tidy
