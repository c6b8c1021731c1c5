"""The machine and its files; nothing of sound.

onednn         computing on after oneDNN found no memory
parallel       work side by side on a CPU, the same bits on one core or eight
allocator      what the C library does with large blocks of memory
borrowed       code of other libraries, without what it would change in the process
ahead          an iterator worked through in a thread, ahead of who asks
device         where tensors live
device_busy    how busy a GPU was
hardware       the processor and the versions of packages
extras         packages that not every installation has, and how to get them
liveness       locks that tell whether a process lives
signals        those that end a process, as exceptions that tear nothing
secrets        passwords in addresses, masked in whatever is shown or kept
long_loops     how far a long loop is, in the log
plain_text     what others wrote, without what a terminal would obey
native_messages  what C libraries print, caught
csv_tables     csv tables, without formulas
atomic_files   atomic writes, and reading them back
writable       whether a folder can be written, judged by looking alone
paths          paths as users write them, and a home for those who have none
resources      the package's own files
"""
