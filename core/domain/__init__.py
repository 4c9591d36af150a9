"""Words of the trade. Nothing here opens a file, asks a database or loops over bars."""
