"""First-party plugins; they import only the public doors of prosect, as a third party must."""
