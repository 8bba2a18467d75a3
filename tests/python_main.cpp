/// Python as a program of this build: its sanitizer then judges the libraries that Python loads.

extern "C" int Py_BytesMain(int argc, char** argv);

int main(int argc, char** argv) { return Py_BytesMain(argc, argv); }
