package scratch

import "syscall"

const enough = 1 << 30 // bytes; containers often have a memory disk of 64 MB

// memory is the memory disk, "" if there is none with enough room.
func memory() string {
	const disk = "/dev/shm"
	var stat syscall.Statfs_t
	if err := syscall.Statfs(disk, &stat); err != nil || stat.Bavail*uint64(stat.Bsize) < enough {
		return ""
	}
	return disk
}
