/* A shared object that is no module. */
extern const int keel_nothing;
const int keel_nothing = 1;
