#pragma once

#include <utility>

/// For functions that return Status or Result, so that they read as what they do. Both end the function with the error,
/// if there is one:
///
///   RETURN_IF_ERROR(program.load_methods(names));
///   ASSIGN_OR_RETURN(const TensorSpec spec, program.state_spec(method, 2));
///
/// The second one is several statements: it declares a variable, or assigns to one, and cannot be the body of an `if`.

#define RETURN_IF_ERROR(expression)                          \
  do {                                                       \
    if (const auto& outcome = (expression); !outcome.ok()) { \
      return outcome.error();                                \
    }                                                        \
  } while (false)

// NOLINTBEGIN(bugprone-macro-parentheses): names cannot stand in parentheses, nor declarations.
#define ASSIGN_OR_RETURN(variable, expression) \
  ASSIGN_OR_RETURN_NAMED(ASSIGN_OR_RETURN_NAME(outcome_of_line_, __LINE__), variable, expression)

#define ASSIGN_OR_RETURN_NAMED(outcome, variable, expression) \
  auto outcome = (expression);                                \
  if (!outcome.ok()) {                                        \
    return outcome.error();                                   \
  }                                                           \
  variable = *std::move(outcome)
// NOLINTEND(bugprone-macro-parentheses)

#define ASSIGN_OR_RETURN_NAME(left, right) ASSIGN_OR_RETURN_JOIN(left, right)
#define ASSIGN_OR_RETURN_JOIN(left, right) left##right
