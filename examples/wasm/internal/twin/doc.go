// Package twin runs an example in the sandbox beside its native twin: the same random commands and
// queries, every outcome compared, and the state moved through an image to another machine on the way. Then the
// module alone goes through the runs of wasmsm/check, which have to agree.
//
// Restore takes a machine through the checks of sdk/sdktest, on scripts of the same requests. It is for tests. Start reading at Compare.
package twin
