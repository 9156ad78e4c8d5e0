"""The edges: everything that touches a library, a disk or a database, one class a file."""
