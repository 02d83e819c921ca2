# Makes each line of a text the line of a C string.
s/\\/\\\\/g
s/"/\\"/g
s/.*/"&\\n"/
