"""What people see: tables and progress. Views know the nouns and the columns, and none of the logic."""
