"""System calls that a process which counts packets is refused: numbers on x86_64 and aarch64, None where there is none.

From the kernel's arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h. A list of what is
refused, not of what is allowed: C libraries, NumPy and pyarrow call something new every year, and a count that dies of
it after a month is worth less. What no list of ours can know, calls newer than NEWEST, is refused as not there.
"""

from __future__ import annotations

_Numbers = tuple[int | None, int | None]

NEWEST = 469
"""The last one that was looked at: file_setattr, Linux 6.17."""
CLONE: _Numbers = (56, 220)
CLONE3: _Numbers = (435, 435)
"""Has its flags in memory, where no filter can look: C libraries take ``clone`` without it."""
IOCTL: _Numbers = (16, 29)
FORKS: dict[str, _Numbers] = {"fork": (57, None), "vfork": (58, None)}
EXECUTES: dict[str, _Numbers] = {"execve": (59, 221), "execveat": (322, 281)}
NETWORK: dict[str, _Numbers] = {"socket": (41, 198), "connect": (42, 203), "listen": (50, 201)}
"""What begins a conversation. To accept one at a socket that listens, or to send where one is open, is allowed."""
PAIR: _Numbers = (53, 199)
"""``socketpair``: the screen's loop wakes itself by one. Allowed for streams of AF_UNIX, which reach nobody else; one
for datagrams may send to any socket that has a name, as the system's log has."""
OF_THIS_PROCESS: dict[str, tuple[_Numbers, bool]] = {
    "kill": ((62, 129), False), "tgkill": ((234, 131), False), "prlimit64": ((302, 261), True)
}  # fmt: skip
"""Allowed where the first argument is this process, or where True also 0, which means it."""
OPENS: dict[str, tuple[_Numbers, int]] = {"open": ((2, None), 1), "openat": ((257, 56), 2)}
"""What opens a file, and which of its arguments, from 0, says how."""
FILES: dict[str, _Numbers] = {
    "openat2": (437, 437), "creat": (85, None), "truncate": (76, 45), "rename": (82, None), "renameat": (264, 38),
    "renameat2": (316, 276), "unlink": (87, None), "unlinkat": (263, 35), "rmdir": (84, None), "mkdir": (83, None),
    "mkdirat": (258, 34), "link": (86, None), "linkat": (265, 37), "symlink": (88, None), "symlinkat": (266, 36),
}  # fmt: skip
"""What changes files and folders by name, for who only reads (``openat2`` has how in memory, as ``clone3``)."""
IDENTITY: dict[str, _Numbers] = {
    "setuid": (105, 146), "setgid": (106, 144), "setreuid": (113, 145), "setregid": (114, 143),
    "setresuid": (117, 147), "setresgid": (119, 149), "setfsuid": (122, 151), "setfsgid": (123, 152),
    "setgroups": (116, 159), "capset": (126, 91),
}  # fmt: skip
"""Who this process is: nobody changes that without capabilities, and programs that give up rights try."""
FILE_USER = frozenset({"setfsuid", "setfsgid"})
"""Of those, who it is towards files."""
REFUSED: dict[str, _Numbers] = {
    # other processes, and what they hold
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "process_madvise": (440, 440), "process_mrelease": (448, 448), "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424), "kcmp": (312, 272), "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240), "move_pages": (279, 239),
    "migrate_pages": (256, 238),
    # the kernel: programs, modules, other kernels, ways around this filter
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "init_module": (175, 105),
    "finit_module": (313, 273), "delete_module": (176, 106), "create_module": (174, None),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "keyctl": (250, 219), "add_key": (248, 217),
    "request_key": (249, 218), "syslog": (103, 116), "lookup_dcookie": (212, 18), "nfsservctl": (180, 42),
    "remap_file_pages": (216, 234), "uselib": (134, None), "modify_ldt": (154, None), "iopl": (172, None),
    "ioperm": (173, None), "personality": (135, 92), "fanotify_init": (300, 262),
    # the machine
    "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89), "quotactl": (179, 60),
    "quotactl_fd": (443, 443), "settimeofday": (164, 170), "clock_settime": (227, 112),
    "clock_adjtime": (305, 266), "adjtimex": (159, 171), "sethostname": (170, 161), "setdomainname": (171, 162),
    "vhangup": (153, 58), "_sysctl": (156, None), "sysfs": (139, None), "ustat": (136, None),
    # mounts and namespaces
    "mount": (165, 40), "umount2": (166, 39), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsmount": (432, 432), "fsconfig": (431, 431), "fspick": (433, 433), "open_tree": (428, 428),
    "open_tree_attr": (467, 467), "mount_setattr": (442, 442), "pivot_root": (155, 41), "chroot": (161, 51),
    "unshare": (272, 97), "setns": (308, 268), "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264),
    # what a file is, which Landlock does not guard
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452),
    "chown": (92, None), "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54), "setxattr": (188, 5),
    "lsetxattr": (189, 6), "fsetxattr": (190, 7), "setxattrat": (463, 463), "removexattr": (197, 14),
    "lremovexattr": (198, 15), "fremovexattr": (199, 16), "removexattrat": (466, 466), "utime": (132, None),
    "utimes": (235, None), "utimensat": (280, 88), "futimesat": (261, None), "file_setattr": (469, 469),
    "mknod": (133, None), "mknodat": (259, 33),
    # talking with others
    "shmget": (29, 194), "msgget": (68, 186), "semget": (64, 190), "mq_open": (240, 180),
    **NETWORK,
}  # fmt: skip
"""By what they reach."""
