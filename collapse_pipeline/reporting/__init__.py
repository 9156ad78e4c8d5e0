"""What people see: terminal tables and progress."""
