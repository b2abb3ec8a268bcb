"""What only training needs: readers of data, tasks, collators, model building, the fine-tuning frame, model cards."""
