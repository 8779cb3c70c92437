//! The XDP program from userspace: loads, attaches, fills its maps. The only module that knows aya.
