// Package chaos holds no code: its test runs three host processes over a NATS server process, puts them
// through a seeded schedule of faults while clients work, and checks what the clients saw.
//
// Start reading at TestStorm in storm_test.go. Around it stand schedule_test.go and faults_test.go (what
// is done to the hosts, and when), cluster_test.go and host_test.go (the processes, and who starts them
// again), network_test.go (what a link can suffer) with its two kinds, wire_linux_test.go (each process
// in a network namespace, the test is the wire between them) and proxy_test.go (a TCP proxy before each
// host, where namespaces are not to be had), disk_test.go (disks that fill), the workload_*_test.go
// files (what the clients do), and check_test.go with model_test.go (what must hold afterwards).
//
// In namespaces nothing can stay behind on the machine: the test runs itself again inside namespaces of
// its own, which end with it, and the kernel kills every process that it started.
package chaos
